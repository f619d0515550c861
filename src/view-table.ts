import { constants as osConstants } from 'node:os';
import { MappedFileError, systemError } from './errors.js';
import type { FileErrors } from './file-errors.js';
import { native } from './native.js';
import { roundUp } from './ranges.js';
import type { WindowPool } from './window-pool.js';

const { ENOMEM } = osConstants.errno;
const { granularity } = native;

/** A mapping that a user holds. @internal */
export interface ViewLease {
  readonly id: number;
  /** Weak: the user's arrays keep the buffer alive, and the collector is the last to release it. */
  readonly buffer: WeakRef<ArrayBuffer>;
  /** Where in the buffer the byte at `position` is. */
  readonly byteOffset: number;
  readonly position: number;
  readonly length: number;
  /** Address space in bytes, as the pool counts it. */
  readonly reserved: number;
  /** Whether writes reach the file. */
  readonly shared: boolean;
  released: boolean;
  /** Position of the first page that was lost under it, and whether a caller was told. */
  lostAt: number | undefined;
  reported: boolean;
}

type Leases = Map<number, ViewLease>;

interface Collected {
  lease: ViewLease;
  leases: Leases;
  pool: WindowPool;
}

const collected = new FinalizationRegistry(forget);

/** The collector has taken a view's buffer: its finalizer, in the addon, unmaps it, where it was not released. */
function forget({ lease, leases, pool }: Collected): void {
  if (!lease.released) {
    lease.released = true;
    leases.delete(lease.id);
    pool.viewReleased(lease.reserved);
  }
  native.forgetMapping(lease.id);
}

/** The views of one file. @internal */
export class ViewTable {
  readonly #fd: number;
  readonly #path: string | undefined;
  readonly #errors: FileErrors;
  readonly #pool: WindowPool;
  readonly #leases: Leases = new Map();

  constructor(fd: number, path: string | undefined, errors: FileErrors, pool: WindowPool) {
    this.#fd = fd;
    this.#path = path;
    this.#errors = errors;
    this.#pool = pool;
  }

  /** How many are not released. */
  get size(): number {
    return this.#leases.size;
  }

  /**
   * Maps `[position, position + length)`, inside the file; copy-on-write where not `shared`. Throws
   * `ERR_MAPPED_FILE_BUDGET` and `ERR_MAPPED_FILE_NOT_MAPPABLE`.
   */
  create(position: number, length: number, shared: boolean): { lease: ViewLease; buffer: ArrayBuffer } {
    const reserved = roundUp((position % granularity) + length, granularity);
    this.#pool.admitView(reserved, this.#path, position);
    let mapping = native.createView(this.#fd, position, length, true, !shared);
    while (mapping === -ENOMEM && this.#pool.shrink()) {
      mapping = native.createView(this.#fd, position, length, true, !shared);
    }
    if (typeof mapping !== 'object') {
      this.#pool.viewReleased(reserved);
      if (mapping === -ENOMEM) {
        throw new MappedFileError('ERR_MAPPED_FILE_BUDGET', 'The address space has no room for the view', {
          path: this.#path,
          position,
          length,
          cause: systemError(ENOMEM, 'mmap', this.#path),
        });
      }
      const cause = mapping === undefined ? undefined : systemError(-mapping, 'mmap', this.#path);
      throw this.#errors.notMappable('The file cannot be mapped', position, length, cause);
    }
    const { id, buffer, byteOffset } = mapping;
    const lease: ViewLease = {
      id,
      buffer: new WeakRef(buffer),
      byteOffset,
      position,
      length,
      reserved,
      shared,
      released: false,
      lostAt: undefined,
      reported: false,
    };
    this.#leases.set(id, lease);
    collected.register(buffer, { lease, leases: this.#leases, pool: this.#pool }, lease);
    return { lease, buffer };
  }

  /**
   * Detaches the buffer and takes the file away; what was transferred to another thread stays with it. Idempotent.
   * The range of addresses is free once the buffer is collected: see `PutAway` in the addon.
   */
  release(lease: ViewLease, buffer: ArrayBuffer): void {
    if (lease.released) return;
    lease.released = true;
    this.#leases.delete(lease.id);
    this.#pool.viewReleased(lease.reserved);
    native.releaseMapping(lease.id, buffer);
  }

  releaseAll(): void {
    for (const lease of [...this.#leases.values()]) {
      const buffer = lease.buffer.deref();
      if (buffer !== undefined) {
        this.release(lease, buffer);
      } else {
        // Collected, but not told of yet: the pool must not count it until then.
        collected.unregister(lease);
        forget({ lease, leases: this.#leases, pool: this.#pool });
      }
    }
  }

  /** Marks the views that lost pages since the last look; gives the number of those pages. */
  findLostPages(): number {
    let pages = 0;
    for (const lease of this.#leases.values()) {
      if (lease.lostAt !== undefined) continue;
      const lost = native.mappingFaults(lease.id);
      if (lost === 0) continue;
      pages += lost;
      lease.lostAt = Math.floor(lease.position / granularity) * granularity + native.firstFault(lease.id);
    }
    return pages;
  }

  /** A view that lost a page of which nobody was told. */
  unreported(): ViewLease | undefined {
    if (this.#leases.size === 0) return undefined;
    for (const lease of this.#leases.values()) {
      if (lease.lostAt !== undefined && !lease.reported) return lease;
    }
    return undefined;
  }

  /** The ids of the views that may hold writes to `[start, end)`: they are written without our knowing. */
  sharedIn(start: number, end: number): number[] {
    const ids: number[] = [];
    for (const lease of this.#leases.values()) {
      if (lease.shared && lease.position < end && lease.position + lease.length > start) ids.push(lease.id);
    }
    return ids;
  }
}
