/**
 * What the hostile calls reach of the library. It is compared with what the library has: a class or a member that is
 * not named here, and one that is named but was never called, fails them.
 */

/** Why a name is not called. */
export type Reason = 'internal' | "the base class's protocol" | 'only thrown';

/** Members by class: those that are called, and those that are not. */
export interface Surface {
  readonly called: readonly string[];
  readonly not?: Readonly<Record<string, Reason>>;
}

const scalars = ['Int8', 'Uint8', 'Int16', 'Uint16', 'Int32', 'Uint32', 'BigInt64', 'BigUint64', 'Float32', 'Float64'];
const iterations = ['[Symbol.iterator]', '[Symbol.asyncIterator]'];
/** Made by a method of another class only. */
const made: Record<string, Reason> = { new: 'internal' };
const protocol = "the base class's protocol";

/** Static members are written `static name`; the class itself, as something that is constructed, `new`. */
export const surface: Readonly<Record<string, Surface>> = {
  MappedFile: {
    called: [
      'new',
      'static open',
      'static openSync',
      ...['static anonymous', 'static shared', 'static sharedSync', 'static unlinkShared', 'static unlinkSharedSync'],
      ...scalars.flatMap((kind) => [`get${kind}`, `set${kind}`]),
      ...['fd', 'path', 'backing', 'size', 'isWritable', 'closed'],
      ...['read', 'readSync', 'readv', 'readvSync', 'write', 'writeSync', 'writev', 'writevSync'],
      ...['slice', 'sliceSync', 'view', 'readable', 'chunks', 'writable', 'createReadStream', 'createWriteStream'],
      ...[
        'indexOf',
        'lastIndexOf',
        'includes',
        'matches',
        'lines',
        'lineIndex',
        'bisect',
        'bisectSync',
        'split',
        'blob',
      ],
      ...['flush', 'flushSync', 'truncate', 'truncateSync', 'refresh', 'refreshSync', 'stat', 'prefetch', 'protect'],
      ...['lock', 'tryLock', 'handle', 'advise', 'residency', 'pin', 'unpin', 'dropCache'],
      ...['stats', 'close', 'closeSync', '[Symbol.dispose]', '[Symbol.asyncDispose]'],
    ],
  },
  MappedView: {
    called: [
      'new',
      ...['bytes', 'buffer', 'byteOffset', 'position', 'length'],
      ...['discard', 'commit', 'commitSync'],
      ...['as', 'check', 'flush', 'flushSync', 'dispose', '[Symbol.dispose]'],
    ],
  },
  FileLock: {
    called: ['released', 'release', '[Symbol.dispose]'],
    not: made,
  },
  WindowPool: {
    called: ['new', 'static default', 'stats'],
    not: {
      touch: 'internal',
      hasRoom: 'internal',
      acquire: 'internal',
      release: 'internal',
      admitView: 'internal',
      viewReleased: 'internal',
      shrink: 'internal',
      evictIdle: 'internal',
    },
  },
  Chunks: { called: ['position', ...iterations], not: made },
  Lines: { called: ['position', 'batches', ...iterations], not: made },
  Matches: { called: ['batches', 'count', 'countSync', ...iterations], not: made },
  LineIndex: {
    called: [
      ...['lineCount', 'size', 'byteLength', 'interval', 'refresh', 'save'],
      ...['positionOf', 'positionOfSync', 'lineAt', 'lineAtSync', 'line', 'lineSync', 'lines', 'linesSync'],
    ],
    not: { ...made, 'static create': 'internal' },
  },
  FileBlob: { called: ['slice', 'stream', 'arrayBuffer', 'bytes', 'text'], not: made },
  LineIterator: { called: ['next', 'return', '[Symbol.iterator]'], not: made },
  BatchIterator: { called: ['next', 'return', '[Symbol.iterator]'], not: made },
  AsyncLineIterator: { called: ['next', 'return', '[Symbol.asyncIterator]'], not: made },
  AsyncBatchIterator: { called: ['next', 'return', '[Symbol.asyncIterator]'], not: made },
  ReadStream: {
    called: ['pending', 'close'],
    not: { ...made, _construct: protocol, _read: protocol, _destroy: protocol },
  },
  WriteStream: {
    called: ['pending', 'close', 'bytesWritten'],
    not: { ...made, _construct: protocol, _write: protocol, _writev: protocol, _final: protocol, _destroy: protocol },
  },
  SharedMutex: {
    called: ['new', 'static byteLength', 'lock', 'lockSync', 'tryLock', 'dispose', '[Symbol.dispose]'],
  },
  MutexGuard: {
    called: ['ownerDied', 'released', 'release', '[Symbol.dispose]'],
    not: { ...made, suspend: 'internal', resume: 'internal', resumeSync: 'internal' },
  },
  SharedSemaphore: {
    called: [
      ...['new', 'static byteLength', 'permits', 'acquire', 'acquireSync', 'tryAcquire', 'release'],
      ...['dispose', '[Symbol.dispose]'],
    ],
  },
  SharedCondition: {
    called: [...['new', 'static byteLength', 'wait', 'waitSync', 'notify', 'notifyAll', 'dispose', '[Symbol.dispose]']],
  },
  SharedBarrier: { called: ['new', 'static byteLength', 'wait', 'waitSync', 'dispose', '[Symbol.dispose]'] },
  SharedRing: {
    called: [
      ...['new', 'capacity', 'used', 'ended', 'push', 'pushSync', 'tryPush', 'shift', 'shiftSync', 'tryShift', 'end'],
      ...['readable', 'writable', 'dispose', '[Symbol.dispose]'],
    ],
  },
  /** The functions of `sliding-mmap/sync`, which belong to no class. */
  sync: { called: ['wait', 'waitSync', 'notify'] },
  MappedFileError: { called: [], not: { new: 'only thrown', name: 'only thrown' } },
};

/**
 * The ways into the package. Those that are not `.` or `./sync` have no part in the hostile calls: `fs` gives node:fs's arguments to
 * node:fs as they are, and test/properties/fs compares the two; adapters are a parser's side of the calls above.
 */
export const entries: readonly string[] = ['.', './fs', './fs/promises', './adapters', './sync', './package.json'];
