import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The tests run the command as users do, from its bundle: it must not be older than what tsc has built. */
export default function setup(): void {
  execFileSync(process.execPath, [fileURLToPath(new URL('../../scripts/bundle.mjs', import.meta.url))], {
    stdio: 'inherit',
  });
}
