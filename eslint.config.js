// Prettier and the compiler settle the rest: here is what neither of them sees.
import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';
import { importDirection } from './scripts/eslint/import-direction.js';

const onlyNativeLoadsTheAddon = {
  selector: 'Literal[value=/^node-gyp-build$|\\.node$/], MemberExpression[property.name="dlopen"]',
  message: 'Only src/native.ts loads the addon.',
};

export default defineConfig(
  globalIgnores(['dist/', 'out/', 'build/', 'docs/api/']),
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly' } },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-deprecated': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // Methods are taken from their prototypes on purpose, and called on objects that may have other ones.
      '@typescript-eslint/unbound-method': 'off',
      // `async` without `await` turns a throw into a rejection.
      '@typescript-eslint/require-await': 'off',
      // What was caught, and an abort signal's reason, is passed on as it is.
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true, allowThrowingAny: true }],
      '@typescript-eslint/prefer-promise-reject-errors': [
        'error',
        { allowThrowingUnknown: true, allowThrowingAny: true },
      ],
    },
  },
  {
    files: ['src/**/*.ts'],
    plugins: { house: { rules: { 'import-direction': importDirection } } },
    rules: { 'house/import-direction': 'error' },
  },
  {
    files: ['src/**/*.ts', 'test/**/*.ts', 'examples/**/*.ts', 'bench/**/*.ts'],
    ignores: ['src/native.ts'],
    rules: { 'no-restricted-syntax': ['error', onlyNativeLoadsTheAddon] },
  },
  {
    files: ['test/**/*.ts', 'examples/**/*.ts', 'bench/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: '^\\.{1,2}/(.*/)?(src|dist|addon|build)/',
              message: "Import 'sliding-mmap', or an internal module as '#src/…'.",
            },
          ],
        },
      ],
    },
  },
);
