/** What lies beneath a MappedFile: how the bytes of a descriptor are reached. */
import { constants as osConstants } from 'node:os';
import type { ByteSink, LendingSource } from '../byte-source.js';
import { Descriptor } from '../descriptor.js';
import { MappedFileError, systemError } from '../errors.js';
import { FileErrors } from '../file-errors.js';
import { type CacheOptions, type Extent, WindowCache } from '../window-cache.js';
import { Channel } from './channel.js';
import { openInlet } from './inlet.js';
import { type Kind, look } from './kind.js';
import { openSpoolFile, Spool } from './spool.js';

const { EBADF, EISDIR } = osConstants.errno;

/** What the methods that wait for bytes see. */
export interface Source extends LendingSource {
  read(target: Uint8Array, offset: number, length: number, position: number): number | Promise<number>;
  readSync(target: Uint8Array, offset: number, length: number, position: number): number;
}

/** What the methods that write asynchronously see. */
export interface Sink extends ByteSink {
  write(source: Uint8Array, offset: number, length: number, position: number): Promise<number>;
}

/** What is wanted of a descriptor. */
export interface AttachOptions extends Omit<CacheOptions, 'fd' | 'extent' | 'size' | 'closeDescriptor' | 'nextData'> {
  /** Whether the descriptor is open for reading. */
  readable: boolean;
  /** Whether what cannot be mapped is copied into a file that can. */
  spool: boolean;
}

/** Every file has a cache; what has no positions has a channel beside it, what is spooled a spool. */
export interface Attached {
  cache: WindowCache;
  descriptor: Descriptor;
  source: Source;
  sink: Sink;
  channel: Channel | undefined;
  spool: Spool | undefined;
}

const extents: Record<Exclude<Kind, 'directory'>, Extent> = {
  sized: 'sized',
  sizeless: 'sizeless',
  stream: 'sequential',
  tty: 'sequential',
  device: 'sequential',
};

/** Owns the descriptor from now on, unless it throws. */
export function attach(descriptor: Descriptor, options: AttachOptions): Attached {
  const { path } = options;
  const { kind, size } = look(descriptor.fd);
  if (kind === 'directory') throw systemError(EISDIR, 'open', path);
  const extent = extents[kind];
  if (!options.readable && extent !== 'sequential') {
    throw new MappedFileError('ERR_MAPPED_FILE_NOT_MAPPABLE', 'The descriptor is open for writing only', { path });
  }
  if (options.mustMap && extent !== 'sized') {
    throw new MappedFileError('ERR_MAPPED_FILE_NOT_MAPPABLE', 'It is no regular file, so it cannot be mapped', {
      path,
    });
  }
  if (options.spool && extent !== 'sized') return attachSpool(descriptor, kind, options);
  const cache = openCache(
    descriptor,
    options,
    options.writable,
    options.appending && extent !== 'sequential',
    extent,
    size,
  );
  const channel =
    extent === 'sequential' ? new Channel(cache, kind, options.readable, new FileErrors(path)) : undefined;
  return { cache, descriptor, source: channel ?? cache, sink: channel ?? cache, channel, spool: undefined };
}

/** Every option by its name: opening a file is mostly the making of objects, and a spread costs ten times as much. */
function openCache(
  descriptor: Descriptor,
  { path, strict, windowSize, pool, backing, mustMap, reserving, advice }: AttachOptions,
  writable: boolean,
  appending: boolean,
  extent: Extent,
  size?: number,
): WindowCache {
  return new WindowCache({
    fd: descriptor.fd,
    path,
    writable,
    appending,
    strict,
    windowSize,
    pool,
    backing,
    mustMap,
    reserving,
    advice,
    extent,
    size,
    closeDescriptor: () => descriptor.closeSync(),
    nextData: (position) => descriptor.nextData(position),
  });
}

function attachSpool(origin: Descriptor, kind: Kind, options: AttachOptions): Attached {
  const errors = new FileErrors(options.path);
  if (!options.readable) throw errors.system(EBADF, 'read');
  const copy = new Descriptor(openSpoolFile(errors), true);
  try {
    const cache = openCache(copy, options, false, false, 'sized');
    const spool = new Spool(cache, openInlet(origin.fd, kind, errors), errors, () => origin.closeSync());
    return { cache, descriptor: copy, source: spool, sink: cache, channel: undefined, spool };
  } catch (error) {
    copy.closeSync();
    throw error;
  }
}
