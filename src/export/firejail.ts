import { errnoName, errnoText } from '../abi/errno.ts';
import { UnsupportedError } from '../base/errors.ts';
import type { Exporter, Loss } from './exporter.ts';
import { argumentRules, enosysCalls, otherArches } from './losses.ts';
import { describeSelection } from './selection.ts';

/**
 * What firejail's own start needs: its group @default-keep. A preloaded library is to take it away from the program
 * again, which static programs do not load, and firejail 0.9.72 was seen to let dynamic ones execute too.
 */
const DEFAULT_KEEP = ['execve', 'execveat', 'prctl'];

/**
 * Profile for firejail with a keep list; source: firejail(1) --seccomp.keep, firejail-profile(5).
 *
 * `seccomp.block-secondary` denies the calls of all other arches, which firejail lets through otherwise; personality(2)
 * goes with them.
 */
export const FIREJAIL: Exporter = {
  name: 'firejail',
  description: 'firejail: profile with a keep list, for --profile=FILE or an include',
  fileName: 'seccomp.profile',
  write: (selection) => {
    const section = selection.arches.find(({ arch }) => arch === 'x86_64' || arch === 'aarch64');
    if (section === undefined) {
      throw new UnsupportedError(
        `firejail: no arch that it has, ${selection.arches.map(({ arch }) => arch).join(', ')} (x86_64, aarch64)`,
        { feature: 'firejail' },
      );
    }
    const words = section.allowed.map(({ name, nr }) =>
      name === null || nr > NEWEST_NAME ? `$${nr}` : name,
    );
    const { violation } = selection;
    const losses: Loss[] = [
      ...argumentRules({ ...selection, arches: [section] }),
      ...enosysCalls(selection),
      ...otherArches(selection, section),
    ];
    if (violation.kind === 'trap') {
      losses.push({
        kind: 'stricter',
        text: 'firejail cannot deny by a trap, denied calls kill the process',
      });
    }
    if (violation.kind === 'errno') {
      losses.push({
        kind: 'other',
        text: `calls of other arches fail with ${errnoText(violation.errno)} too, they do not kill the process`,
      });
    }
    if (words.includes('personality')) {
      losses.push({
        kind: 'stricter',
        text: 'personality is denied together with the calls of other arches',
      });
    }
    const implied = DEFAULT_KEEP.filter((name) => !words.includes(name));
    if (implied.length > 0) {
      losses.push({
        kind: 'looser',
        text: `firejail keeps what it starts programs by, here also: ${implied.join(', ')}`,
      });
    }
    const action =
      violation.kind === 'errno'
        ? (errnoName(violation.errno) ?? `${violation.errno}`)
        : violation.kind === 'log'
          ? 'log'
          : 'kill';
    const lines = [
      ...describeSelection(selection).map((line) => `# ${line}`),
      `seccomp.keep ${(words.length > 0 ? words : DEFAULT_KEEP).join(',')}`,
      ...(violation.kind === 'log' ? [] : ['seccomp.block-secondary']),
      `seccomp-error-action ${action}`,
    ];
    return { content: `${lines.join('\n')}\n`, losses, usage: '' };
  },
};

/** Highest number that firejail 0.9.72 has a name for (process_madvise); later ones are written as numbers. */
const NEWEST_NAME = 440;
