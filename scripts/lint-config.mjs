// Writes .oxlintrc.json: the folder order, once, as data. Run after adding a folder below src.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Folders below src in the order in which data flows; each imports only from those before it. */
const ORDER = [
  'base',
  'abi',
  'elf',
  'unwind',
  'profile',
  'policy',
  'export',
  'import',
  'sys',
  'trace',
  'watch',
  'doctor',
  'analyze',
  'compare',
  'enforce',
  'study',
  'report',
  'page',
  'cli',
];

const koffi = { name: 'koffi', message: 'only src/sys loads native code' };

const overrides = ORDER.map((folder, index) => ({
  files: [`src/${folder}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        paths: folder === 'sys' ? [] : [koffi],
        patterns: ORDER.slice(index + 1).map((later) => ({
          group: [`**/${later}/**`],
          message: `src/${folder} comes before src/${later} (ARCHITECTURE.md)`,
        })),
      },
    ],
  },
}));

const config = {
  $schema: './node_modules/oxlint/configuration_schema.json',
  plugins: ['typescript', 'import', 'unicorn', 'oxc'],
  categories: { correctness: 'error', suspicious: 'error' },
  rules: {
    'import/no-cycle': 'error',
    'import/no-default-export': 'error',
    'typescript/no-floating-promises': 'error',
    'typescript/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    // Matters of taste, on which versions of the checker differ.
    'typescript/no-unnecessary-type-assertion': 'off',
    'typescript/no-unnecessary-template-expression': 'off',
    'typescript/no-unnecessary-type-conversion': 'off',
    'typescript/restrict-template-expressions': 'off',
    'typescript/unbound-method': 'off',
    // Code points are what is wanted where a string is spread.
    'typescript/no-misused-spread': 'off',
    // Undefined at an index that was just checked, JSON, and errno codes: assertions say what is known.
    'typescript/no-unsafe-type-assertion': 'off',
    // tsc checks this, and understands exhaustive switches.
    'typescript/consistent-return': 'off',
    // __WALL and PTRACE's other names are the kernel's.
    'no-underscore-dangle': 'off',
    'no-control-regex': 'off',
    // For windows; ports of worker threads have no origin.
    'unicorn/require-post-message-target-origin': 'off',
    'unicorn/no-array-sort': 'off',
    'unicorn/consistent-function-scoping': 'off',
  },
  overrides: [
    ...overrides,
    { files: ['vitest.config.ts', '**/*.test.ts', 'test/**'], rules: { 'import/no-default-export': 'off' } },
  ],
  ignorePatterns: ['dist', 'node_modules', 'coverage', 'src/abi/generated'],
};

writeFileSync(
  fileURLToPath(new URL('../.oxlintrc.json', import.meta.url)),
  `${JSON.stringify(config, null, 2)}\n`,
);
