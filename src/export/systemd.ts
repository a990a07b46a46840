import type { Arch } from '../abi/arch.ts';
import { errnoName } from '../abi/errno.ts';
import { syscallNumber } from '../abi/syscalls.ts';
import { ENOSYS } from '../policy/filter/action.ts';
import type { Exporter, Loss } from './exporter.ts';
import { systemdGroup, SYSTEMD_VERSION } from './systemd-groups.ts';
import { argumentRules, newerCalls } from './losses.ts';
import { joinArches, withMachine } from './name-rules.ts';
import { describeSelection, type Selection } from './selection.ts';
import { wrapWords } from './word-wrap.ts';

/** Names that SystemCallArchitectures= takes; source: systemd.unit(5), ConditionArchitecture=. */
export const SYSTEMD_ARCH: Readonly<Record<Arch, string>> = {
  x86_64: 'x86-64',
  i386: 'x86',
  x32: 'x32',
  aarch64: 'arm64',
};

const LINE_WIDTH = 90;

/**
 * What a list says that is to have no name: of a list with nothing but `~` systemd would make one that denies. This group
 * is in every list that allows.
 */
const ALWAYS = '@default';

/** Of a SystemCallLog= without a name systemd makes none. No program makes this call: the kernel does, for one that goes on. */
const NEVER_MADE = 'restart_syscall';

/** Settings that a drop-in would otherwise only add to: what the unit itself says decides then what is denied. */
const RESET = ['SystemCallFilter', 'SystemCallArchitectures', 'SystemCallErrorNumber'];

/** Drop-in for a systemd service; source: systemd.exec(5), "System call filtering". */
export const SYSTEMD: Exporter = {
  name: 'systemd',
  description: 'systemd: drop-in for a service unit',
  fileName: 'callgate.conf',
  write: (selection) => {
    const { violation } = selection;
    // systemd has no trap: what is denied kills.
    const { allowed, enosys, losses } = joinArches(
      violation.kind === 'trap' ? { ...selection, violation: { kind: 'kill_process' } } : selection,
    );
    const names = allowed.map(({ name }) => name);
    const isDefault = violation.kind === 'errno' && violation.errno === ENOSYS;
    const isLog = violation.kind === 'log';
    const missing = isDefault ? [] : enosys;
    const lines = [
      ...describeSelection(selection).map((line) => `# ${line}`),
      '[Service]',
      '# Empty assignments take back what the unit says itself.',
      ...[...RESET, ...(isLog ? ['SystemCallLog'] : [])].map((key) => `${key}=`),
      ...(isLog
        ? []
        : [`SystemCallArchitectures=${selection.arches.map(({ arch }) => SYSTEMD_ARCH[arch]).join(' ')}`]),
      // A log line for everything but the list; nothing is blocked.
      ...wrapWords(names.length > 0 ? names : [isLog ? NEVER_MADE : ALWAYS], LINE_WIDTH).map((line) =>
        isLog ? `SystemCallLog=~${line}` : `SystemCallFilter=${line}`,
      ),
      // In an allow list, an error for a single call is written as if it were taken away.
      ...wrapWords(
        missing.map((name) => `${name}:ENOSYS`),
        LINE_WIDTH,
      ).map((line) => `SystemCallFilter=~${line}`),
      ...(violation.kind === 'errno'
        ? [`SystemCallErrorNumber=${errnoName(violation.errno) ?? violation.errno}`]
        : []),
    ];
    return {
      content: `${lines.join('\n')}\n`,
      losses: [
        ...losses,
        ...argumentRules(selection),
        ...(isLog ? unloggedCall(names) : implicitCalls(selection, names)),
        ...unknownNames([...names, ...missing]),
        ...(violation.kind === 'trap'
          ? [
              {
                kind: 'stricter' as const,
                text: 'systemd cannot deny by a trap, denied calls kill the process',
              },
            ]
          : []),
        ...newerCalls(selection),
      ],
      usage: `# As root, then restart the unit:
install -D -m 644 FILE /etc/systemd/system/UNIT.service.d/callgate.conf && systemctl daemon-reload
`,
    };
  },
};

/** An allow list always holds the group @default. */
function implicitCalls(selection: Selection, names: readonly string[]): readonly Loss[] {
  const own = new Set(names);
  const arches = withMachine(selection);
  const added = systemdGroup(ALWAYS).filter(
    (name) => !own.has(name) && arches.some((arch) => syscallNumber(arch, name) !== null),
  );
  if (added.length === 0) return [];
  return [
    { kind: 'looser', text: `systemd always allows the group ${ALWAYS}, here also: ${added.join(', ')}` },
  ];
}

function unloggedCall(names: readonly string[]): readonly Loss[] {
  if (names.length > 0) return [];
  return [{ kind: 'other', text: `SystemCallLog= has to name a call: ${NEVER_MADE} is not logged` }];
}

function unknownNames(names: readonly string[]): readonly Loss[] {
  const known = new Set(systemdGroup('@known'));
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length === 0) return [];
  return [
    {
      kind: 'other',
      text: `systemd ${SYSTEMD_VERSION} and older ignore names that they do not know: ${unknown.join(', ')}`,
    },
  ];
}
