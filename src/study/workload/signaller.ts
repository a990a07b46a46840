import { realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Writes the tool behind `${signal}`: `${signal} DIRECTORY SIGNAL...` waits until the program itself runs in that directory,
 * whatever tool it was started by, and sends it the signals one after the other.
 *
 * The shell's `$!` and timeout(1) would reach the tool, and before the program is there.
 *
 * @returns the words that stand for the placeholder
 */
export function writeSignaller(scratch: string, program: string): string {
  const file = join(scratch, 'signal.sh');
  writeFileSync(
    file,
    SCRIPT.replaceAll('@PROGRAM@', () => realpathSync(program)),
  );
  return `sh ${file}`;
}

const SCRIPT = `directory=$(cd "$1" && pwd -P) || exit 1
shift
n=0
while [ $n -lt 3000 ]; do
  for process in /proc/[0-9]*; do
    [ "$(readlink $process/cwd)" = "$directory" ] || continue
    case $(readlink $process/exe) in @PROGRAM@ | */callgrind-*) ;; *) continue ;; esac
    # It gets the time to put its handlers in place, for which there is no sign.
    sleep 0.1
    for signal in "$@"; do kill -$signal \${process#/proc/}; sleep 0.05; done
    exit 0
  done 2>/dev/null
  n=$((n + 1)); sleep 0.02
done
exit 1
`;
