/** After every test: nothing may be left of it. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { WindowPool } from 'sliding-mmap';
import { native } from '#src/native.js';
import { folderPrefix } from './files.js';

// What mocha itself uses, and what says nothing about files.
const ignoredResources = new Set(['Timeout', 'Immediate', 'PipeWrap', 'TTYWrap', 'FSReqCallback']);

interface Holdings {
  ranges: number;
  windows: number;
  views: number;
  /** Mappings of files in temporary folders. */
  mappings: string[];
  /** Descriptors of files and folders. */
  descriptors: string[];
  resources: string[];
}

function holdings(): Holdings {
  const maps = fs.existsSync('/proc/self/maps') ? fs.readFileSync('/proc/self/maps', 'utf8').split('\n') : [];
  const { windows, views } = WindowPool.default.stats();
  return {
    ranges: native.mappingCount(),
    windows,
    views,
    mappings: maps.filter((line) => line.includes(folderPrefix)),
    descriptors: openFiles(),
    resources: process.getActiveResourcesInfo().filter((name) => !ignoredResources.has(name)),
  };
}

/** Paths of what is open, with the descriptors' numbers; pipes, sockets and the like are handles, counted elsewhere. */
export function openFiles(): string[] {
  const folder = '/proc/self/fd';
  if (!fs.existsSync(folder)) return [];
  const found: string[] = [];
  for (const fd of fs.readdirSync(folder)) {
    try {
      const target = fs.readlinkSync(`${folder}/${fd}`);
      if (target.startsWith('/') && !target.startsWith('/proc/') && !target.startsWith('/dev/')) {
        found.push(`${fd} ${target}`);
      }
    } catch {
      // The descriptor that lists the folder itself.
    }
  }
  return found;
}

function leakedSince(before: Holdings): string[] {
  const now = holdings();
  const leaks: string[] = [];
  for (const key of ['ranges', 'windows', 'views'] as const) {
    if (now[key] > before[key]) leaks.push(`${key}: ${before[key]} before, ${now[key]} now`);
  }
  for (const line of now.mappings) leaks.push(`mapping: ${line}`);
  for (const line of now.descriptors) if (!before.descriptors.includes(line)) leaks.push(`descriptor: ${line}`);
  const resources = [...before.resources];
  for (const name of now.resources) {
    const index = resources.indexOf(name);
    if (index === -1) leaks.push(`resource: ${name}`);
    else resources.splice(index, 1);
  }
  return leaks;
}

let before: Holdings;

export const mochaHooks = {
  beforeEach(): void {
    before = holdings();
  },

  async afterEach(): Promise<void> {
    // Handles close a few turns of the event loop after they were told to.
    let leaks = leakedSince(before);
    for (let i = 0; leaks.length > 0 && i < 40; i++) {
      await delay(25);
      leaks = leakedSince(before);
    }
    assert.deepEqual(leaks, [], 'the test left something behind');
  },
};
