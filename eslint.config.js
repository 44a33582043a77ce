import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** Formatting is Prettier's, who may import whom is dependency-cruiser's; here is what types can tell. */
export default defineConfig(
  { ignores: ['**/dist/', 'coverage/', '.data/', 'libs/persistence/src/generated/'] },
  js.configs.recommended,
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      // Handlers and ports are often async by their contract and not by their body.
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    // An ambient module has no other way to name a type of a file.
    files: ['test/support/scripts.d.ts'],
    rules: { '@typescript-eslint/consistent-type-imports': 'off' },
  },
  {
    // What a test reads from an answer is checked by its expectations.
    files: ['test/**/*.ts', '**/*spec.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
    },
  },
  {
    files: ['libs/**/*.ts', 'apps/**/*.ts'],
    ignores: ['**/*spec.ts', 'libs/platform/src/config.ts', 'apps/simulator/src/config.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Only the config reads the environment.' },
      ],
      'no-console': 'error',
    },
  },
  {
    // The scripts' types are checked by `tsc -p scripts`, which knows Node's globals.
    files: ['**/*.js', '**/*.cjs'],
    rules: { 'no-undef': 'off', 'no-unused-vars': ['error', { argsIgnorePattern: '^_' }] },
  },
);
