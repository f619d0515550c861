import { MappedFile, type OpenOptions } from 'sliding-mmap';
import { Folder } from './files.js';

/** A file of zeros, in a folder of its own, that is open: `using zeros = new Zeros()`. */
export class Zeros implements Disposable {
  readonly folder: Folder = new Folder();
  /** Its path. */
  readonly data: string;
  readonly file: MappedFile;

  constructor(size = 4096, options?: OpenOptions) {
    this.data = this.folder.file(new Uint8Array(size));
    this.file = MappedFile.openSync(this.data, 'r+', options);
  }

  [Symbol.dispose](): void {
    this.file.closeSync();
    this.folder[Symbol.dispose]();
  }
}
