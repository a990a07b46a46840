import type { CheckResult, Finding, SetCoverage } from '../policy/check.ts';
import type { PolicyChange } from '../policy/diff.ts';
import type { Policy } from '../policy/model.ts';
import { escapeText } from './escape.ts';
import { formatTable, plural, wrapText, type Column } from './table.ts';

const COLUMNS: readonly Column[] = [
  { title: 'SET' },
  { title: 'ARCH' },
  { title: 'ALLOWED', align: 'right' },
  { title: 'BY ARGUMENT', align: 'right' },
  { title: 'BLOCKED', align: 'right' },
  { title: 'OF', align: 'right' },
  { title: 'CVES TAKEN AWAY', align: 'right' },
];

/**
 * What a check found, for people: what each set blocks, the vulnerabilities that the last phase takes away, findings with
 * the worst first, and a verdict.
 */
export function formatCheck(policy: Policy, result: CheckResult, known: number, width = 120): string {
  const lines = [
    ...formatTable(COLUMNS, result.coverage.flatMap(coverageRows)),
    '',
    `arches: ${policy.arches.map(({ arch, newest }) => `${arch} (known up to ${newest}, ENOSYS above)`).join(', ')}; any other arch kills the process`,
    `denied calls: ${policy.onViolation}${policy.enosys.length === 0 ? '' : `; ENOSYS for ${policy.enosys.map(({ name, nr }) => name ?? nr).join(', ')}`}`,
    ...describeCves(result, known, width),
    '',
    ...result.findings.flatMap((finding) => describeFinding(finding, width)),
    verdict(result.findings),
  ];
  return lines.map((line) => `${escapeText(line)}\n`).join('');
}

/** What one policy opens and closes compared with another, for people. */
export function formatChanges(changes: readonly PolicyChange[], width = 120): string {
  const lines = changes.flatMap(({ kind, phase, program, call, detail }) => {
    const place = [phase, program].filter((part) => part !== null).join(' ');
    const what = [place, call].filter((part) => part !== null && part !== '').join(': ');
    return hang(`${kind.padEnd(7)} ${what === '' ? '' : `${what}: `}${detail}`, width);
  });
  const count = (wanted: PolicyChange['kind']): number =>
    changes.filter(({ kind }) => kind === wanted).length;
  const summary =
    changes.length === 0
      ? 'no difference'
      : `${count('opened')} opened, ${count('closed')} closed, ${count('changed')} changed`;
  return [...lines, summary].map((line) => `${escapeText(line)}\n`).join('');
}

function coverageRows({ phase, program, arches, blockedCves }: SetCoverage): readonly (readonly string[])[] {
  return arches.map(({ arch, allowed, restricted, blocked, total }, index) => [
    index > 0 ? '' : program === null ? phase : `  ${program}`,
    arch,
    `${allowed}`,
    `${restricted}`,
    `${blocked}`,
    `${total}`,
    index > 0 ? '' : `${blockedCves.length}`,
  ]);
}

function describeCves({ coverage }: CheckResult, known: number, width: number): readonly string[] {
  const last = coverage.findLast(({ program }) => program === null);
  if (last === undefined || last.blockedCves.length === 0) return [];
  return hang(
    `${last.phase} takes away ${last.blockedCves.length} of ${known} published vulnerabilities (--json lists them)`,
    width,
  );
}

function describeFinding({ severity, sets, call, message }: Finding, width: number): readonly string[] {
  const place = sets.length === 0 ? '' : `${sets.join(', ')}: `;
  return hang(`${severity.padEnd(7)} ${place}${call === null ? '' : `${call}: `}${message}`, width);
}

function verdict(findings: readonly Finding[]): string {
  if (findings.length === 0) return 'nothing found';
  const count = (wanted: Finding['severity']): number =>
    findings.filter(({ severity }) => severity === wanted).length;
  return [
    plural(count('error'), 'error'),
    plural(count('danger'), 'dangerous call'),
    plural(count('warning'), 'warning'),
  ].join(', ');
}

function hang(text: string, width: number): readonly string[] {
  return wrapText(text, Math.max(40, width - 8)).map((line, index) =>
    index === 0 ? line : `        ${line}`,
  );
}
