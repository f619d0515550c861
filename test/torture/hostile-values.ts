/** Values that no caller should pass: every type, and objects that strike back while they are looked at. */
import { WindowPool } from 'sliding-mmap';
import type { Random } from './support.js';

/** What hostile objects do in the middle of a call. */
export interface Strikes {
  /** Closes a file, disposes of a view, cuts a file: whatever the caller must live with. */
  strike(): void;
  /** Told of everything that is thrown on purpose. */
  thrown(error: unknown): void;
}

const numbers: readonly number[] = [
  NaN,
  Infinity,
  -Infinity,
  -0,
  0,
  1,
  2,
  7,
  10,
  255,
  256,
  4095,
  4096,
  4097,
  8192,
  20_000,
  0.5,
  -0.5,
  1.5,
  4096.25,
  -1,
  -2,
  -4096,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31),
  2 ** 32,
  2 ** 32 + 1,
  2 ** 40,
  2 ** 52 + 0.5,
  2 ** 53 - 1,
  2 ** 53,
  -(2 ** 53),
  1e21,
  Number.MIN_VALUE,
  Number.MAX_VALUE,
];

const bigints: readonly bigint[] = [
  0n,
  1n,
  -1n,
  100n,
  4096n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n,
  -(2n ** 64n),
  2n ** 2000n,
];

/** As paths they stay inside the working directory. */
const strings: readonly string[] = [
  '',
  '\n',
  '\r\n',
  ',',
  'aa',
  'data',
  'r',
  'r+',
  'w+',
  'a',
  'utf8',
  'utf-16le',
  'utf16le',
  'latin1',
  'hex',
  'buffer',
  'abc',
  'shared',
  'private',
  'read',
  'readwrite',
  'mmap',
  'auto',
  'error',
  'truncate',
  'byob',
  '1',
  '-1',
  'NaN',
  '\0',
  '\ud800',
  '😀',
  '__proto__',
  'constructor',
  'x'.repeat(70_000),
];

const keys: readonly string[] = [
  'start',
  'end',
  'chunkSize',
  'borrow',
  'signal',
  'encoding',
  'delimiter',
  'reverse',
  'copy',
  'maxLineLength',
  'overflow',
  'highWaterMark',
  'autoClose',
  'emitClose',
  'flush',
  'preallocate',
  'flushOnClose',
  'offset',
  'length',
  'position',
  'buffer',
  'access',
  'windowSize',
  'pool',
  'backing',
  'mode',
  'strict',
  'streams',
  'limit',
  'maxWindows',
  'follow',
  'onEvent',
  'pollInterval',
  'grace',
  'persistent',
  'limit',
  'overlapping',
  'ignoreCase',
  'firstInLine',
  'line',
  'lineNumbers',
  'onProgress',
  'interval',
  'from',
  'type',
  'fd',
  'then',
  'constructor',
];

type ArrayClass = new (buffer: ArrayBuffer, byteOffset?: number, length?: number) => ArrayBufferView;

const arrayClasses: readonly ArrayClass[] = [
  Uint8Array,
  Uint8Array,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  DataView,
];

const methodsOfArrays = ['set', 'subarray', 'slice', 'fill', 'copyWithin', 'indexOf', 'toString', 'every'] as const;
const gettersOfArrays = ['length', 'byteLength', 'byteOffset', 'buffer', 'constructor'] as const;

export class HostileValues {
  readonly #random: Random;
  readonly #strikes: Strikes;
  /** Arrays that the library handed out, to be passed back to it. */
  readonly found: ArrayBufferView[] = [];

  constructor(random: Random, strikes: Strikes) {
    this.#random = random;
    this.#strikes = strikes;
  }

  /** Any value. */
  any(depth = 0): unknown {
    const kinds: ReadonlyArray<() => unknown> = [
      () => this.number(),
      () => this.number(),
      () => this.#random.pick(bigints),
      () => this.#random.pick(strings),
      () => this.#random.pick([undefined, undefined, null, true, false]),
      () => Symbol('hostile'),
      () => this.array(),
      () => this.array(),
      () => this.#function(),
      () => (depth > 2 ? {} : this.options(depth)),
      () => (depth > 2 ? [] : this.#list(depth)),
      () => this.#object(),
      () => this.#proxy(),
      () => this.#real(),
    ];
    return this.#random.pick(kinds)();
  }

  number(): number {
    return this.#random.pick(numbers);
  }

  /** What could even be right. */
  small(): number {
    return this.#random.below(5000);
  }

  /** An object with names of options, whose values are hostile, throw or strike back. */
  options(depth = 0): object {
    const prototype = this.#random.chance(0.2) ? null : Object.prototype;
    const options = Object.create(prototype) as Record<string, unknown>;
    for (let i = this.#random.below(5); i > 0; i--) {
      const key = this.#random.pick(keys);
      const value = this.any(depth + 1);
      const kind = this.#random.below(6);
      if (kind === 0) Object.defineProperty(options, key, { get: () => this.#throw(), configurable: true });
      else if (kind === 1) Object.defineProperty(options, key, { get: () => this.#struck(value), configurable: true });
      else Object.defineProperty(options, key, { value, configurable: true, enumerable: true, writable: true });
    }
    return this.#random.chance(0.1) ? Object.freeze(options) : options;
  }

  /** Memory in all its states: detached, shared, shortened, lying about itself, or the file's own. */
  array(): ArrayBufferView {
    const { found } = this;
    if (found.length > 0 && this.#random.chance(0.1)) return this.#random.pick(found);
    const size = this.#random.pick([0, 8, 8, 48, 64, 4096, 5000 - (5000 % 8), 72_000]);
    const array = new (this.#random.pick(arrayClasses))(this.#buffer(size));
    switch (this.#random.below(12)) {
      case 0:
        return this.#liar(array);
      case 1:
        return this.#subclass(size);
      case 2:
        return Object.setPrototypeOf(
          array,
          this.#random.pick([Uint8Array, Float64Array, Buffer, Array]).prototype as object,
        ) as ArrayBufferView;
      case 3:
        return Buffer.alloc(size, 1);
      case 4:
        structuredClone(array.buffer, array.buffer instanceof ArrayBuffer ? { transfer: [array.buffer] } : {});
        return array;
      case 5:
        return this.#shortened();
      default:
        return array;
    }
  }

  #buffer(size: number): ArrayBuffer {
    if (this.#random.chance(0.1)) return new SharedArrayBuffer(size) as unknown as ArrayBuffer;
    if (this.#random.chance(0.1)) return resizable(size, 2 * size);
    return new ArrayBuffer(size);
  }

  /** An array that ends outside of its buffer. */
  #shortened(): ArrayBufferView {
    const buffer = resizable(4096, 8192);
    const array = this.#random.chance(0.5) ? new Uint8Array(buffer) : new Uint8Array(buffer, 64, 1024);
    const view = this.#random.chance(0.3) ? new DataView(buffer, 64, 1024) : array;
    resize(buffer, this.#random.pick([0, 32, 100, 4096, 8192]));
    return view;
  }

  #liar(array: ArrayBufferView): ArrayBufferView {
    for (const key of [...gettersOfArrays, ...methodsOfArrays]) {
      if (!this.#random.chance(0.3)) continue;
      const answers: ReadonlyArray<() => unknown> = [
        () => this.#throw(),
        () => this.#struck(this.number()),
        () => this.number(),
        () => this.#function(),
        () => new Uint8Array(3),
      ];
      const answer = this.#random.pick(answers);
      Object.defineProperty(array, key, { get: answer, configurable: true });
    }
    return array;
  }

  #subclass(size: number): Uint8Array {
    const fool = (): never => this.#throw();
    const strike = (value: unknown): unknown => this.#struck(value);
    const number = (): number => this.number();
    class Hostile extends Uint8Array {
      static get [Symbol.species](): Uint8ArrayConstructor {
        return fool();
      }
      override set(): void {
        strike(undefined);
      }
      override subarray(): Uint8Array<ArrayBuffer> {
        return strike(new Uint8Array(1)) as Uint8Array<ArrayBuffer>;
      }
      override slice(): Uint8Array<ArrayBuffer> {
        return fool();
      }
      override get length(): number {
        return number();
      }
      override get byteLength(): number {
        strike(undefined);
        return number();
      }
    }
    return new Hostile(size);
  }

  #function(): unknown {
    return this.#random.pick<() => unknown>([
      () => undefined,
      () => this.#throw(),
      () => this.#struck(1),
      class {
        static readonly BYTES_PER_ELEMENT = 1;
      },
      Uint8Array,
      Float64Array,
      DataView,
      class extends Uint16Array {},
    ] as Array<() => unknown>);
  }

  /** A function that answers a caller with anything, and strikes back. */
  callback(): () => unknown {
    return () =>
      this.#random.pick<() => unknown>([
        () => this.number(),
        () => this.number(),
        () => undefined,
        () => this.#struck(this.number()),
        () => this.any(2),
        () => this.#throw(),
      ])();
  }

  #list(depth: number): unknown[] {
    const list: unknown[] = [];
    for (let i = this.#random.below(4); i > 0; i--) {
      list.push(this.#random.chance(0.7) ? this.array() : this.any(depth + 1));
    }
    if (this.#random.chance(0.1)) Object.defineProperty(list, '0', { get: () => this.#struck(this.array()) });
    if (this.#random.chance(0.05)) list.length = 3;
    return list;
  }

  #object(): object {
    const answer = this.#random.pick<() => unknown>([
      () => this.#throw(),
      () => this.#struck(this.number()),
      () => this.#struck('4096'),
      () => ({}),
    ]);
    return this.#random.pick([
      { valueOf: answer },
      { toString: answer, valueOf: undefined },
      { [Symbol.toPrimitive]: answer },
      { fd: this.number() },
      { length: this.number() },
      { aborted: this.any(3), addEventListener: answer },
      { aborted: false },
      Object.create(this.#random.pick([AbortSignal, WindowPool, URL, Uint8Array]).prototype as object) as object,
    ]);
  }

  #proxy(): object {
    const target = this.#random.pick<object>([{}, [], () => undefined, new Uint8Array(8)]);
    const { proxy, revoke } = Proxy.revocable(target, {
      get: (inner, key, receiver): unknown => {
        const choice = this.#random.below(8);
        if (choice === 0) return this.#throw();
        if (choice === 1) return this.#struck(this.any(3));
        try {
          return Reflect.get(inner, key, receiver);
        } catch (error) {
          this.#strikes.thrown(error);
          throw error;
        }
      },
      has: () => this.#random.chance(0.9) || this.#throw(),
    });
    if (this.#random.chance(0.2)) revoke();
    return proxy;
  }

  #real(): unknown {
    return this.#random.pick<() => unknown>([
      () => AbortSignal.abort(),
      () => new AbortController().signal,
      () => new Date(0),
      () => this.#random.pick([/a/, /(?<=a)|$/gu, /^./y, /[^]*/gs]),
      () => new Map(),
      () => new Error('hostile'),
      () => new URL('file:///nowhere/at/all'),
      () => new URL('https://example.org/'),
      () => new WindowPool({ limit: 1, maxWindows: 1 }),
      () => globalThis,
      () => new ReadableStream(),
      () => Promise.resolve(1),
    ])();
  }

  #struck<T>(value: T): T {
    if (this.#random.chance(0.5)) this.#strikes.strike();
    return value;
  }

  #throw(): never {
    const error = this.#random.pick<() => unknown>([
      () => new Error('thrown on purpose'),
      () => new RangeError('thrown on purpose'),
      () => 'thrown on purpose',
    ])();
    this.#strikes.thrown(error);
    throw error;
  }
}

/** The types of the library that tests are compiled for do not know resizable buffers; every Node from 20 on has them. */
function resizable(size: number, most: number): ArrayBuffer {
  const constructor = ArrayBuffer as unknown as new (size: number, options: { maxByteLength: number }) => ArrayBuffer;
  return new constructor(size, { maxByteLength: most });
}

function resize(buffer: ArrayBuffer, size: number): void {
  (buffer as unknown as { resize(size: number): void }).resize(size);
}
