/** What the kernel is told of how a file will be used. */
import { invalidArgValue } from './errors.js';
import { native } from './native.js';

/** How a file, or a part of it, will be used: see `MappedFile.advise`. */
export type Advice =
  'normal' | 'random' | 'sequential' | 'willneed' | 'dontneed' | 'cold' | 'pageout' | 'hugepage' | 'nohugepage';

/** In the order in which the addon counts them. */
const all: readonly Advice[] = [
  'normal',
  'random',
  'sequential',
  'willneed',
  'dontneed',
  'cold',
  'pageout',
  'hugepage',
  'nohugepage',
];

/** Those that are a property of a mapping from then on; the others are done to its pages once. */
const lasting: ReadonlySet<Advice> = new Set<Advice>(['normal', 'random', 'sequential', 'hugepage', 'nohugepage']);
/** Those that concern reads and writes by the descriptor, too. */
const ofDescriptors: ReadonlySet<Advice> = new Set<Advice>(['normal', 'random', 'sequential', 'willneed']);

/** Throws `ERR_INVALID_ARG_VALUE`. @internal */
export function toAdvice(value: unknown, name: string): Advice {
  if (!(all as readonly unknown[]).includes(value)) {
    throw invalidArgValue(name, value, `must be one of: ${all.map((each) => `'${each}'`).join(', ')}`);
  }
  return value as Advice;
}

/** @internal */
export function isLasting(advice: Advice): boolean {
  return lasting.has(advice);
}

/** The advice on one file, and what the system made of it. @internal */
export class Advisor {
  /** What every mapping of the file is told when it is made. */
  standing: Advice | undefined;
  /** What the system did not take. */
  readonly ignored = new Set<Advice>();

  constructor(standing: Advice | undefined) {
    this.standing = standing;
  }

  /** A mapping was made, or made anew, of `length` bytes. */
  mapped(id: number, length: number): void {
    if (this.standing !== undefined) this.tell(id, 0, length, this.standing);
  }

  /** Of `length` bytes from `offset` on of a mapping. */
  tell(id: number, offset: number, length: number, advice: Advice): void {
    this.#note(native.adviseMapping(id, offset, length, all.indexOf(advice)), advice);
  }

  /** Of reads and writes by a descriptor; a length of 0 is all from `position` on. */
  tellOfDescriptor(fd: number, position: number, length: number, advice: Advice): void {
    if (ofDescriptors.has(advice)) this.#note(native.adviseFile(fd, position, length, all.indexOf(advice)), advice);
  }

  #note(status: number, advice: Advice): void {
    if (status < 0) this.ignored.add(advice);
  }
}
