import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { run } from '../helpers/child.js';
import { Folder } from '../helpers/files.js';
import { usual } from '../helpers/sizes.js';
import { cannotMap, itUnless, onWindows } from '../helpers/systems.js';
import { type Block, blocks, pages, root } from './blocks.js';
import { withoutExample } from './examples.js';
import { writeSamples } from './samples.js';

/** What stands before a block that imports nothing. */
const preamble = `\
import fs from 'node:fs';
import { MappedFile, MappedFileError, WindowPool } from 'sliding-mmap';
await using file = await MappedFile.open('access.log', 'r+');
void [fs, MappedFileError, WindowPool, file];
`;

/** Languages of programs, and the ends of their files' names. */
const programs: Readonly<Record<string, string>> = { ts: '.mts', js: '.mjs', cjs: '.cjs' };

/** Commands that are not run here, and why. Those of npm have to be scripts of package.json. */
const notRun: ReadonlyArray<readonly [command: RegExp, why: string]> = [
  [/^npm (cit|start|run|test)\b/, 'installs, builds or tests: .ci/run, or longer than a test may take'],
  [/^npm (un)?install [\w-]+$/, 'for the project of a user'],
  [/^(SEED=\d+ TORTURE_SECONDS=\d+ npm run test:torture|npx mocha)\b/, 'runs the tests'],
  [/^\.ci\/run$/, 'runs the tests'],
];

/** What Windows has not, does not let one do with mapped files, or tells otherwise. */
const otherOnWindows = /\.(residency|dropCache|unlinkShared)\(|fs\.truncateSync\(/;

/** Files that a command writes, and that are in nobody's checkout. */
const written = /^bench\/results\.(json|svg)$/;

const all = blocks();
const runnable = all.filter(({ language }) => language in programs);

describe('the documentation', () => {
  let samples: Folder;
  let programsFolder: string;
  /** What the compiler found. */
  let wrong: string[];

  before(async function () {
    this.timeout(120_000);
    samples = new Folder();
    await writeSamples(samples.path);
    // Inside the package, so that the package's own name leads to it.
    programsFolder = fs.mkdtempSync(path.join(root, 'out/documentation-'));
    runnable.forEach((block) => fs.writeFileSync(path.join(programsFolder, fileName(block)), whole(block)));
    wrong = compile(runnable.map(fileName), programsFolder);
  });

  after(() => {
    samples[Symbol.dispose]();
    fs.rmSync(programsFolder, { recursive: true });
  });

  it('has no block of which nobody knows what to do with it', () => {
    const unknown = all.filter(({ language }) => !(language in programs || language === 'sh' || language === 'text'));
    assert.deepEqual(unknown, []);
    assert.ok(runnable.length > 0);
  });

  it('has types that hold', () => {
    assert.deepEqual(wrong, []);
  });

  it('shows every class, function and method of the API by an example', function () {
    this.timeout(120_000);
    assert.deepEqual(withoutExample(), []);
  });

  for (const block of runnable) {
    const synchronizes = block.text.includes('sliding-mmap/sync') && cannotMap;
    const other = otherOnWindows.test(block.text) && onWindows('it shows what is otherwise there');
    itUnless(synchronizes || other, `runs ${block.origin}`, async () => {
      using folder = new Folder();
      fs.cpSync(samples.path, folder.path, { recursive: true });
      const program = path.join(programsFolder, 'out', fileName(block).replace(/mts$/, 'mjs'));
      // Some Nodes warn of features that others have without a word.
      const node = ['--disable-warning=ExperimentalWarning'];
      const { stdout, stderr, code } = await run(pathToFileURL(program), [], { cwd: folder.path, node });
      assert.equal(stderr, '');
      assert.equal(code, 0);
      // Where nothing can be mapped, what is printed about mappings is not what the pages say.
      if (usual === 'read') return;
      const printed = stdout.split('\n');
      for (const [, line] of block.text.matchAll(/\/\/ → (.*)$/gm)) {
        const at = printed.indexOf(line!);
        assert.notEqual(at, -1, `it did not print "${line}" where that was its turn, but:\n${stdout}`);
        printed.splice(0, at + 1);
      }
    });
  }

  for (const page of pages) {
    it(`leads to what there is: ${page}`, () => {
      const text = fs.readFileSync(path.join(root, page), 'utf8');
      const links = [...text.matchAll(/\]\((?!https?:)([^)]*)\)/g)].filter(([, target]) => !leads(page, target!));
      const named = /`((?:test|src|examples|bench|addon|scripts)\/[\w./-]+)`/g;
      const files = [...text.matchAll(named)].filter(([, file]) => !written.test(file!) && !isThere(file!));
      assert.deepEqual(
        [...links, ...files].map(([whole]) => whole),
        [],
      );
    });
  }

  for (const { origin, text } of all.filter(({ language }) => language === 'sh')) {
    it(`names commands that there are: ${origin}`, () => {
      const { scripts } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as {
        scripts: Record<string, string>;
      };
      for (const line of text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))) {
        const command = line.replace(/ +#.*$/, '');
        assert.ok(
          notRun.some(([pattern]) => pattern.test(command)),
          `it is neither run nor an exception: ${command}`,
        );
        const script = /\bnpm run (\S+)/.exec(command)?.[1];
        if (script !== undefined) assert.ok(script in scripts, `package.json has no script ${script}`);
      }
    });
  }
});

/** Whether a link of a page leads to a file, and to a heading in it. */
function leads(page: string, target: string): boolean {
  const [file, heading] = target.split('#') as [string, string?];
  const other = file === '' ? page : path.posix.join(path.posix.dirname(page), file);
  // The generated pages are made later.
  if (other.startsWith('docs/api/')) return true;
  if (!isThere(other)) return false;
  if (heading === undefined) return true;
  const headings = fs.readFileSync(path.join(root, other), 'utf8').matchAll(/^#+ (.*)$/gm);
  return [...headings].some(([, title]) => heading === anchor(title!));
}

/** A heading's name in links, as GitHub makes it. */
function anchor(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\p{L}\p{N} -]/gu, '')
    .replaceAll(' ', '-');
}

/** Whether there is such a file or folder; tests and modules may be named without their ends. */
function isThere(file: string): boolean {
  return ['', '.ts', '.test.ts'].some((end) => fs.existsSync(path.join(root, file + end)));
}

/** Compiles programs into the folder `out` beside them. */
function compile(names: readonly string[], folder: string): string[] {
  const base = ts.readConfigFile(path.join(root, 'tsconfig.base.json'), (name) => ts.sys.readFile(name)).config as {
    compilerOptions: object;
  };
  // Examples name what they do not use again.
  const own = { composite: false, sourceMap: false, noUnusedLocals: false, allowJs: true, rootDir: folder };
  const { options } = ts.convertCompilerOptionsFromJson({ ...base.compilerOptions, ...own }, root);
  const program = ts.createProgram(
    names.map((name) => path.join(folder, name)),
    { ...options, outDir: path.join(folder, 'out') },
  );
  return [...ts.getPreEmitDiagnostics(program), ...program.emit().diagnostics].map(told);
}

function fileName({ origin, language }: Block): string {
  return origin.replace(/[/:.]/g, '-') + programs[language];
}

function whole({ language, text }: Block): string {
  if (language === 'cjs') return text;
  return /^import /m.test(text) ? text : `${preamble}{\n${text}}\n`;
}

function told({ file, start, messageText }: ts.Diagnostic): string {
  const line = file === undefined ? '' : `${file.getLineAndCharacterOfPosition(start ?? 0).line + 1}: `;
  return `${path.basename(file?.fileName ?? '')}:${line}${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
}
