import { constants as osConstants } from 'node:os';
import { type Advice, type Advisor, isLasting } from './advice.js';
import { MappedFileError, systemError } from './errors.js';
import type { FileErrors } from './file-errors.js';
import { native } from './native.js';
import { roundUp } from './ranges.js';
import { emptyCopy, type ViewCopies, ViewCopy, widestElement } from './view-copies.js';
import type { WindowPool } from './window-pool.js';

const { ENOMEM } = osConstants.errno;
const { granularity, pageSize } = native;

/** What a user holds bytes of, and what he has to be told of it. @internal */
export interface Holding {
  readonly position: number;
  readonly length: number;
  readonly released: boolean;
  /** Position of the first page that was lost under it, and whether a caller was told. */
  lostAt: number | undefined;
  reported: boolean;
}

/** A mapping, or a copy where nothing can be mapped, that a user holds. @internal */
export interface ViewLease extends Holding {
  /** The addon's for a mapping; negative for a copy. */
  readonly id: number;
  /** Weak: the user's arrays keep the buffer alive, and the collector is the last to release it. */
  readonly buffer: WeakRef<ArrayBuffer>;
  /** Where in the buffer the byte at `position` is. */
  readonly byteOffset: number;
  /** Address space in bytes, as the pool counts it. */
  readonly reserved: number;
  /** Whether writes reach the file. */
  readonly shared: boolean;
  /** Set for a shared copy: its changes have to be written back. */
  readonly copy: ViewCopy | undefined;
  released: boolean;
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
  if (lease.id > 0) native.forgetMapping(lease.id);
}

/** How much of a file a piece covers, in bytes, where a chunk is not longer. */
const pieceLength = 16 * 1024 * 1024;

/** What is known of a piece without holding it. */
interface PieceState {
  readonly id: number;
  readonly reserved: number;
  readonly pool: WindowPool;
  released: boolean;
}

/**
 * A mapping that the chunks of one walk are made over, one at a time: mapping a few chunks at once costs as much as mapping
 * one. Released when the walk has gone past it. @internal
 */
export class Piece implements Holding {
  readonly position: number;
  readonly length: number;
  lostAt: number | undefined;
  reported = false;
  /** How many loans are out, and whether there will be more. */
  loans = 0;
  passed = false;
  readonly state: PieceState;
  readonly #views: ViewTable;

  constructor(state: PieceState, position: number, length: number, views: ViewTable) {
    this.state = state;
    this.position = position;
    this.length = length;
    this.#views = views;
  }

  get released(): boolean {
    return this.state.released;
  }

  /** Byte offset of the mapping's first page. */
  get base(): number {
    return this.position - (this.position % granularity);
  }

  holds(position: number, length: number): boolean {
    return !this.released && position >= this.position && position + length <= this.position + this.length;
  }

  letGo(): void {
    this.passed = true;
    if (this.loans === 0) this.#views.releasePiece(this);
  }
}

/** The pieces that chunks were made of: they go with the last of them. */
const pieceOf = new WeakMap<ArrayBuffer, Piece>();
const passedPieces = new FinalizationRegistry((state: PieceState) => {
  if (!state.released) state.pool.viewReleased(state.reserved);
  native.forgetMapping(state.id);
});

/** The views of one file, and the pieces that chunks are made of. @internal */
export class ViewTable {
  readonly #fd: number;
  readonly #path: string | undefined;
  readonly #errors: FileErrors;
  readonly #pool: WindowPool;
  readonly #copies: ViewCopies;
  readonly #advisor: Advisor;
  readonly #leases: Leases = new Map();
  readonly #pieces = new Set<Piece>();
  /** Those that lost a page of which nobody was told yet; some may have been told of, or released, meanwhile. */
  readonly #unreported = new Set<Holding>();
  #lastCopy = 0;

  constructor(
    fd: number,
    path: string | undefined,
    errors: FileErrors,
    pool: WindowPool,
    copies: ViewCopies,
    advisor: Advisor,
  ) {
    this.#fd = fd;
    this.#advisor = advisor;
    this.#copies = copies;
    this.#path = path;
    this.#errors = errors;
    this.#pool = pool;
  }

  /** How many are not released. */
  get size(): number {
    return this.#leases.size + this.#pieces.size;
  }

  /**
   * Maps `[position, position + length)`, inside the file; copy-on-write where not `shared`. `undefined` where the
   * system has no room for it. Throws `ERR_MAPPED_FILE_BUDGET` and `ERR_MAPPED_FILE_NOT_MAPPABLE`.
   */
  create(position: number, length: number, shared: boolean): { lease: ViewLease; buffer: ArrayBuffer } | undefined {
    const reserved = this.#admit(position, length);
    const mapping = this.#map(() => native.createView(this.#fd, position, length, true, !shared));
    if (typeof mapping !== 'object') {
      this.#pool.viewReleased(reserved);
      return this.#notMapped(mapping, position, length);
    }
    const { id, buffer, byteOffset } = mapping;
    this.#advisor.mapped(id, reserved);
    const lease = this.#lease({ id, buffer, byteOffset, position, length, reserved, shared, copy: undefined });
    return { lease, buffer };
  }

  #map<T>(create: () => T): T {
    let mapping = create();
    while (mapping === -ENOMEM && this.#pool.shrink()) mapping = create();
    return mapping;
  }

  #notMapped(status: number | undefined, position: number, length: number): undefined {
    if (status === -ENOMEM) return undefined;
    const cause = status === undefined ? undefined : systemError(-status, 'mmap', this.#path);
    throw this.#errors.notMappable('The file cannot be mapped', position, length, cause);
  }

  /**
   * A piece for the chunk `[position, position + length)`, and for those that follow it up to `end`, where there is room
   * for them (and nobody limits the address space, where what is mapped is dear). As {@link create} otherwise.
   */
  createPiece(position: number, length: number, end: number): Piece | undefined {
    const wanted = Math.min(Math.floor(pieceLength / length) * length, end - position);
    if (wanted > length && !native.isAddressSpaceLimited()) {
      try {
        const piece = this.#createPiece(position, wanted);
        if (piece !== undefined) return piece;
      } catch (error) {
        if (!(error instanceof MappedFileError && error.code === 'ERR_MAPPED_FILE_BUDGET')) throw error;
      }
    }
    return this.#createPiece(position, length);
  }

  #createPiece(position: number, length: number): Piece | undefined {
    const reserved = this.#admit(position, length);
    const id = this.#map(() => native.createPiece(this.#fd, position, length));
    if (id < 0) {
      this.#pool.viewReleased(reserved);
      return this.#notMapped(id, position, length);
    }
    const state: PieceState = { id, reserved, pool: this.#pool, released: false };
    const piece = new Piece(state, position, length, this);
    this.#pieces.add(piece);
    passedPieces.register(piece, state);
    return piece;
  }

  /** The array of a chunk; the one before must have been taken back. Empty when the file was closed. */
  createChunk(piece: Piece, position: number, length: number): Uint8Array {
    if (piece.released) return new Uint8Array(0);
    const slack = position % widestElement;
    const buffer = native.createChunk(piece.state.id, position - piece.base - slack, length + slack);
    if (typeof buffer !== 'object') {
      const cause = buffer === undefined ? undefined : systemError(-buffer, 'mmap', this.#path);
      throw this.#errors.notMappable('The engine lets no memory be mapped', position, length, cause);
    }
    pieceOf.set(buffer, piece);
    return new Uint8Array(buffer, slack, length);
  }

  takeBackChunk(piece: Piece): void {
    if (!piece.released) native.takeBackChunk(piece.state.id);
  }

  /** Empties the chunk that is out, and takes the file away. Idempotent. */
  releasePiece(piece: Piece): void {
    if (piece.released) return;
    piece.state.released = true;
    this.#pieces.delete(piece);
    this.#pool.viewReleased(piece.state.reserved);
    native.releasePiece(piece.state.id);
  }

  /** As {@link create}, but memory that the caller has to fill; throws `ERR_MAPPED_FILE_BUDGET`. */
  createCopy(
    position: number,
    length: number,
    shared: boolean,
    mayCommit = false,
  ): { lease: ViewLease; copy: ViewCopy } {
    const reserved = this.#admit(position, length);
    let copy: ViewCopy;
    try {
      copy = new ViewCopy(position, length, shared || mayCommit);
    } catch (cause) {
      this.#pool.viewReleased(reserved);
      throw this.#noRoom('There is no memory for the view', position, length, cause);
    }
    const { buffer, byteOffset } = copy;
    const kept = shared ? copy : undefined;
    const id = --this.#lastCopy;
    const lease = this.#lease({ id, buffer, byteOffset, position, length, reserved, shared, copy: kept });
    return { lease, copy };
  }

  #admit(position: number, length: number): number {
    const reserved = roundUp((position % granularity) + length, granularity);
    this.#pool.admitView(reserved, this.#path, position);
    return reserved;
  }

  /** What to throw where {@link create} gave nothing. */
  noRoom(position: number, length: number): MappedFileError {
    const cause = systemError(ENOMEM, 'mmap', this.#path);
    return this.#noRoom('The address space has no room for the view', position, length, cause);
  }

  #noRoom(message: string, position: number, length: number, cause: unknown): MappedFileError {
    return new MappedFileError('ERR_MAPPED_FILE_BUDGET', message, { path: this.#path, position, length, cause });
  }

  #lease(
    given: Omit<ViewLease, 'buffer' | 'released' | 'lostAt' | 'reported'> & { readonly buffer: ArrayBuffer },
  ): ViewLease {
    const { buffer } = given;
    const lease: ViewLease = {
      ...given,
      buffer: new WeakRef(buffer),
      released: false,
      lostAt: undefined,
      reported: false,
    };
    const leases = this.#leases;
    leases.set(lease.id, lease);
    if (lease.copy === undefined) collected.register(buffer, { lease, leases, pool: this.#pool }, lease);
    else this.#copies.add(lease.copy, abandonment(lease, this.#pool));
    return lease;
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
    if (lease.id > 0) native.releaseMapping(lease.id, buffer);
    else emptyCopy(buffer);
    if (lease.copy !== undefined) this.#copies.delete(lease.copy);
  }

  /** Tells the system of the views in `[start, end)`, as of windows. Private ones would lose what was written into them. */
  advise(advice: Advice, start: number, end: number): void {
    for (const lease of this.#leases.values()) {
      const first = Math.floor(lease.position / granularity) * granularity;
      const last = lease.position + lease.length;
      if (lease.id < 0 || lease.position >= end || last <= start) continue;
      if (advice === 'dontneed' && !lease.shared) continue;
      const isWhole = isLasting(advice);
      const from = isWhole ? 0 : Math.max(0, roundUp(start - first, pageSize));
      const to = isWhole || end >= last ? lease.reserved : Math.floor((end - first) / pageSize) * pageSize;
      if (to > from) this.#advisor.tell(lease.id, from, to - from, advice);
    }
  }

  releaseAll(): void {
    for (const piece of [...this.#pieces]) this.releasePiece(piece);
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
    for (const piece of this.#pieces) {
      const { id } = piece.state;
      if (piece.lostAt !== undefined) continue;
      const lost = native.mappingFaults(id);
      if (lost === 0) continue;
      pages += lost;
      this.lost(piece, piece.base + native.firstFault(id));
    }
    for (const lease of this.#leases.values()) {
      if (lease.lostAt !== undefined || lease.id < 0) continue;
      const lost = native.mappingFaults(lease.id);
      if (lost === 0) continue;
      pages += lost;
      this.lost(lease, Math.floor(lease.position / granularity) * granularity + native.firstFault(lease.id));
    }
    return pages;
  }

  /** A view has lost the byte at `position`, or nothing more for `undefined`. */
  lost(lease: Holding, position: number | undefined): void {
    if (position === undefined || lease.lostAt !== undefined) return;
    lease.lostAt = position;
    this.#unreported.add(lease);
  }

  /** A view that lost a page of which nobody was told. */
  unreported(): Holding | undefined {
    for (const lease of this.#unreported) {
      if (!lease.reported && !lease.released) return lease;
      this.#unreported.delete(lease);
    }
    return undefined;
  }

  /** The shared copies in `[start, end)`. */
  copiesIn(start: number, end: number): Array<{ lease: ViewLease; copy: ViewCopy }> {
    const found: Array<{ lease: ViewLease; copy: ViewCopy }> = [];
    if (this.#copies.size === 0) return found;
    for (const lease of this.#leases.values()) {
      if (lease.copy?.overlaps(start, end)) found.push({ lease, copy: lease.copy });
    }
    return found;
  }

  /** The ids of the views that may hold writes to `[start, end)`: they are written without our knowing. */
  sharedIn(start: number, end: number): number[] {
    const ids: number[] = [];
    for (const lease of this.#leases.values()) {
      if (lease.shared && lease.id > 0 && lease.position < end && lease.position + lease.length > start)
        ids.push(lease.id);
    }
    return ids;
  }
}

/** Outside the table, which the function must not lead back to. */
function abandonment(lease: ViewLease, pool: WindowPool): () => void {
  return () => {
    lease.released = true;
    pool.viewReleased(lease.reserved);
  };
}
