// All checks and all tests; ends with one plain line that says how many tests passed, failed and were skipped.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const scratch = mkdtempSync(join(tmpdir(), 'callgate-results-'));
const results = join(scratch, 'results.json');

const checks = spawnSync(process.execPath, [join(root, 'scripts', 'check.mjs')], { stdio: 'inherit' });
const tests = spawnSync(
  join(root, 'node_modules', '.bin', 'vitest'),
  ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${results}`, ...process.argv.slice(2)],
  { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
);

let failed = (checks.status === 0 ? 0 : 1) + (tests.status === 0 ? 0 : 1);
let counts = { passed: 0, failed: 1, skipped: 0 };
try {
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, numFailedTestSuites } = JSON.parse(
    readFileSync(results, 'utf8'),
  );
  // A file that could not even be loaded is a failed suite without a failed test.
  const broken = numFailedTests === 0 ? numFailedTestSuites : 0;
  counts = {
    passed: numPassedTests,
    failed: numFailedTests + broken,
    skipped: numPendingTests + numTodoTests,
  };
} catch (error) {
  process.stderr.write(`test: no results: ${error.message}\n`);
}
rmSync(scratch, { recursive: true, force: true });
if (checks.status !== 0) {
  process.stderr.write('test: the checks failed, see above\n');
  counts.failed++;
}
if (process.env.CI === 'true' && counts.skipped > 0) {
  process.stderr.write('test: nothing may be skipped in CI\n');
  failed++;
}
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
process.exitCode = failed + counts.failed === 0 ? 0 : 1;
