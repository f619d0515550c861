/**
 * Cuts a file and grows it again, over and over, or puts another in its place, until it is killed. At every moment the
 * bytes inside the file's size are those of the text: growing appends them, it never makes a hole.
 * Arguments: the file, the progress file, the seed.
 */
import fs from 'node:fs';
import { ProgressFile, text, wholeSize } from '../shrinking-text.js';
import { Random } from '../support.js';

const [path = '', progressPath = '', seed = ''] = process.argv.slice(2);
const random = new Random(Number(seed));
const progress = { cutsBegun: 0, growthsBegun: 0, growthsEnded: 0, cutTo: wholeSize };
const published = new ProgressFile(progressPath, 'w+');

const page = 4096;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

function pause(): void {
  // Mostly long enough for a reader to meet the cut file, often none at all.
  const milliseconds = random.pick([0, 0, 0.2, 1, 1, 3, 8]);
  if (milliseconds > 0) Atomics.wait(sleeper, 0, 0, milliseconds);
}

function cutPoint(): number {
  const border = random.below(Math.floor(wholeSize / page) + 1) * page;
  switch (random.below(8)) {
    case 0:
      return 0;
    case 1:
      return random.below(page);
    case 2:
    case 3:
      return border;
    case 4:
      return wholeSize - random.between(1, 776);
    default:
      return Math.min(wholeSize - 1, border + random.between(1, page - 1));
  }
}

function grow(fd: number, from: number): void {
  for (let position = from; position < wholeSize;) {
    const length = Math.min(random.pick([100, 5000, 64 * 1024, wholeSize]), wholeSize - position);
    position += fs.writeSync(fd, text, position, length, position);
  }
}

function replace(fd: number): number {
  const other = `${path}.new`;
  const replacement = fs.openSync(other, 'w+');
  grow(replacement, 0);
  fs.renameSync(other, path);
  fs.closeSync(fd);
  return replacement;
}

let fd = fs.openSync(path, 'r+');
process.send?.('ready');
for (;;) {
  if (random.chance(0.1)) fd = replace(fd);
  const cut = cutPoint();
  progress.cutsBegun++;
  progress.cutTo = cut;
  published.write(progress);
  fs.ftruncateSync(fd, cut);
  // At times a second cut, further down.
  const least = random.chance(0.3) ? random.below(cut + 1) : cut;
  if (least < cut) {
    pause();
    progress.cutTo = least;
    published.write(progress);
    fs.ftruncateSync(fd, least);
  }
  pause();
  progress.growthsBegun++;
  published.write(progress);
  // Writes of a reader's own may have made it longer meanwhile.
  grow(fd, Math.min(least, fs.fstatSync(fd).size));
  progress.growthsEnded++;
  published.write(progress);
  pause();
}
