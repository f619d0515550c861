import { checkBoolean, checkOptions } from '../streams/options.js';

/** What the adapters have in common whose shape has a `close`. */
export interface AdapterOptions {
  /** Closes the file, too, when what was made of it is closed. Default false: the file stays open. */
  autoClose?: boolean | undefined;
}

/** Reads {@link AdapterOptions}. */
export function closesFile(options: AdapterOptions): boolean {
  checkOptions(options);
  checkBoolean(options.autoClose, 'options.autoClose');
  return options.autoClose ?? false;
}
