/** The blocks of code in the documentation: in its pages, and in the comments of the sources. */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../../', import.meta.url));

export interface Block {
  /** Where it begins: file and line. */
  readonly origin: string;
  /** What stands behind the fence. */
  readonly language: string;
  readonly text: string;
}

const docs = fs.readdirSync(path.join(root, 'docs')).filter((name) => name.endsWith('.md'));

/** README.md, CONTRIBUTING.md, docs/*.md. */
export const pages: readonly string[] = ['README.md', 'CONTRIBUTING.md', ...docs.sort().map((name) => `docs/${name}`)];

/** All blocks of the pages, and of the comments in src/. */
export function blocks(): Block[] {
  const sources = fs.readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' });
  const modules = sources
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `src/${name.replaceAll(path.sep, '/')}`)
    .sort();
  return [
    ...pages.flatMap((page) => blocksOf(page, /^()```(\S*)[^\n]*\n(.*?)^```$/gms)),
    ...modules.flatMap((name) => blocksOf(name, /^( *\* ?)```(\S*)[^\n]*\n(.*?)^ *\* ?```$/gms)),
  ];
}

function blocksOf(file: string, pattern: RegExp): Block[] {
  const content = fs.readFileSync(path.join(root, file), 'utf8');
  return [...content.matchAll(pattern)].map(({ index, 1: prefix = '', 2: language = '', 3: inside = '' }) => ({
    origin: `${file}:${content.slice(0, index).split('\n').length}`,
    language,
    text: inside
      .split('\n')
      .map((line) => line.slice(Math.min(prefix.length, line.length)))
      .join('\n'),
  }));
}
