// Runs the shipped experiment and writes docs/study.md with its figures; raw data stay in callgate-study, and what is there is
// not run again.
//   npm run study [-- --repetitions N]
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { status } = spawnSync(
  join(root, 'bin', 'callgate'),
  [
    'study',
    '--data',
    join(root, 'callgate-study'),
    '-o',
    join(root, 'docs', 'study.md'),
    ...process.argv.slice(2),
  ],
  { stdio: 'inherit' },
);
process.exit(status ?? 1);
