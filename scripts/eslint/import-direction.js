import { dirname, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const src = fileURLToPath(new URL('../../src/', import.meta.url));

/** The layers of src/, modules and folders: each imports only from those before it. */
const layers = [
  'byte-source',
  'read-ahead',
  'errors',
  'bytes',
  'ranges',
  'paths',
  'native',
  'advice',
  'io-arguments',
  'vectors',
  'descriptor',
  'handle',
  'window',
  'window-pool',
  'admission',
  'file-errors',
  'view-copies',
  'view-table',
  'window-table',
  'window-cache',
  'locks',
  'pages',
  'scalars',
  'turn',
  'sources',
  'following',
  'views',
  'streams',
  'text',
  'opening',
  'memory',
  'mapped-file',
  'fs',
  'adapters',
  'sync',
  'index',
];

/**
 * Layers that see less than all that is before them. Streams and text know a file only as a ByteSource or ByteSink; of
 * `native`, text uses the search in bytes.
 */
const narrow = {
  'byte-source': [],
  following: ['byte-source', 'errors', 'ranges'],
  'read-ahead': ['byte-source'],
  streams: ['byte-source', 'read-ahead', 'errors', 'bytes', 'ranges', 'turn', 'following'],
  text: ['byte-source', 'read-ahead', 'errors', 'bytes', 'ranges', 'paths', 'native', 'turn', 'following'],
};

/** The layer a file belongs to: the first step of its path in src/. */
const layerOf = (path) =>
  relative(src, path)
    .split(sep)[0]
    .replace(/\.[jt]s$/, '');

/** Imports run down the list of layers and never up, types included. */
export const importDirection = {
  meta: {
    type: 'problem',
    schema: [],
    messages: {
      unplaced: "'{{layer}}' has no place in the list of layers in scripts/eslint/import-direction.js",
      outside: "src/ does not import '{{specifier}}' from outside of itself",
      upward: "'{{from}}' must not import from '{{to}}': allowed are {{allowed}}",
    },
  },
  create(context) {
    const from = layerOf(context.filename);
    const allowed = narrow[from] ?? layers.slice(0, Math.max(0, layers.indexOf(from)));

    function check(node) {
      const specifier = node.source?.value;
      if (typeof specifier !== 'string' || !/^[.#]/.test(specifier)) return;
      const target = resolve(dirname(context.filename), specifier);
      if (!target.startsWith(src)) {
        context.report({ node, messageId: 'outside', data: { specifier } });
        return;
      }
      const to = layerOf(target);
      if (to === from && dirname(relative(src, target)) !== '.') return;
      if (!allowed.includes(to)) {
        context.report({ node, messageId: 'upward', data: { from, to, allowed: allowed.join(', ') || 'none' } });
      }
    }

    return {
      Program(node) {
        if (!layers.includes(from)) context.report({ node, messageId: 'unplaced', data: { layer: from } });
      },
      ImportDeclaration: check,
      ImportExpression: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      TSImportType: check,
    };
  },
};
