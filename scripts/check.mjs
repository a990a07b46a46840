// The checks that need no kernel: types, lint with the folder order, format, dead code, generated files up to date.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const CHECKS = [
  ['types', 'tsc', ['-p', 'tsconfig.json']],
  ['types of the page', 'tsc', ['-p', 'src/page/tsconfig.json']],
  ['lint', 'oxlint', ['--type-aware', '--deny-warnings']],
  ['format', 'oxfmt', ['--check', '.']],
  ['dead code', 'knip', []],
];

let failed = 0;
for (const [name, tool, args] of CHECKS) {
  const { status, stdout, stderr } = spawnSync(join(root, 'node_modules', '.bin', tool), args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  process.stderr.write(`check: ${name}: ${status === 0 ? 'ok' : 'failed'}\n`);
  if (status === 0) continue;
  failed++;
  process.stderr.write(`${stdout}${stderr}`);
}
process.exitCode = failed === 0 ? 0 : 1;
