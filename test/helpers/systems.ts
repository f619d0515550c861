/** Tests of what not every system has: where it is missing they are skipped, and their titles say why. */
import fs from 'node:fs';
import os from 'node:os';
import { native } from '#src/native.js';

/** `reason` on Windows, `false` elsewhere. */
export function onWindows(reason: string): string | false {
  return process.platform === 'win32' && reason;
}

/** `reason` everywhere but on Linux, `false` there. */
export function butOnLinux(reason: string): string | false {
  return process.platform !== 'linux' && reason;
}

/** A mapped file cannot be cut there: no page of it can be lost so. */
export const cannotBeCut: string | false = onWindows('a mapped file cannot be cut');
/** Neither can a view be made there, but as a copy. */
export const cannotMap: string | false = !native.externalBuffers && 'the engine lets no memory be mapped';
const nodeMajor = Number(process.versions.node.split('.')[0]);
export const exifrFails: string | false =
  nodeMajor >= 26 && 'exifr calls FileHandle.stat with a path, which is an error now';
export const cannotReserve: string | false = onWindows('the call that reserves room may cut the file');
export const tellsNoResidency: string | false = onWindows('the system tells of its own working set only');
export const noPosixPrograms: string | false = onWindows('there are no awk, grep, sh and wc');
export const noFifos: string | false = onWindows('there are no FIFOs');
export const onlyLinuxTells: string | false = butOnLinux('only Linux tells of that, or does it');
/** Standard input is of the same opening as itself, where that can be told. */
export const comparesNoOpenings: string | false =
  native.sameOpening(0, 0) !== 1 && 'the system does not compare descriptors';
const overlay = 0x794c7630;
/** Of files there that are not open for writing `sliding-mmap/fs` maps nothing. */
export const onOverlay: string | false =
  process.platform === 'linux' && fs.statfsSync(os.tmpdir()).type === overlay && 'temporary files are on overlayfs';
export const notInMemory: string | false = butOnLinux('shared memory is a file of a disk');
export const notByDescriptor: string | false = butOnLinux('only Linux opens a file again by its descriptor');

/** `it`, unless there is a reason not to. */
export function itUnless(reason: string | false, title: string, run: Mocha.AsyncFunc | Mocha.Func): void {
  if (reason === false) it(title, run);
  else it.skip(`${title} (${reason})`, run);
}

/** `describe`, unless there is a reason not to. */
export function describeUnless(reason: string | false, title: string, run: (this: Mocha.Suite) => void): void {
  if (reason === false) describe(title, run);
  else describe.skip(`${title} (${reason})`, run);
}
