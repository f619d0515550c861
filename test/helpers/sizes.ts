/** The configurations that everything has to work in. */
import { type OpenOptions, WindowPool } from 'sliding-mmap';
import { native } from '#src/native.js';

export const granule: number = native.granularity;

/** How a file is reached where nothing else is asked for, and it can be mapped. */
export const usual = native.externalBuffers ? 'mmap' : 'read';

export interface Configuration {
  readonly name: string;
  /** Fresh options: each has a pool of its own, but for the default. */
  options(): OpenOptions;
}

export const configurations: readonly Configuration[] = [
  { name: 'default windows', options: () => ({}) },
  {
    name: 'windows of one granule',
    options: () => ({ windowSize: 1, pool: new WindowPool({ limit: 64 * granule }) }),
  },
  {
    name: 'one window of one granule',
    options: () => ({ windowSize: 1, pool: new WindowPool({ limit: 2 * granule, maxWindows: 1 }) }),
  },
  { name: 'no mapping', options: () => ({ backing: 'read' }) },
  {
    name: 'strict',
    options: () => ({ strict: true, windowSize: 1, pool: new WindowPool({ limit: 64 * granule }) }),
  },
];
