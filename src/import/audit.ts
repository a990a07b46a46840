import { syscallName } from '../abi/syscalls.ts';
import { FormatError } from '../base/errors.ts';
import { identifyCall } from '../policy/filter/evaluate.ts';
import type { Call, Process } from '../profile/model.ts';
import type { Importer } from './importer.ts';
import { finishProfile, importedCall } from './profile-draft.ts';
import { Remarks } from './remarks.ts';
import { decodeText } from './text-input.ts';

/** Nanoseconds in a millisecond. */
const NS = 1e6;

/** A call that a filter logged or denied. */
interface AuditRecord {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly pid: number;
  readonly exe: string | null;
  readonly comm: string;
  readonly arch: number;
  readonly nr: number;
}

/**
 * SECCOMP records of the audit log: of auditd, ausearch, or of the kernel log, where they have the type 1326.
 *
 * The kernel leaves records out when there are too many (audit_rate_limit, printk_ratelimit), and writes none for
 * calls that fail with an errno unless the filter was installed with SECCOMP_FILTER_FLAG_LOG. Source: audit_seccomp of
 * kernel/auditsc.c, seccomp_log of kernel/seccomp.c.
 */
export const AUDIT_IMPORTER: Importer = {
  name: 'audit',
  description: 'SECCOMP records of the audit or kernel log (profile)',
  recognises: (_, text) => RECORD.test(text),
  read: (input) => {
    const remarks = new Remarks();
    const records: AuditRecord[] = [];
    const faults = new Map<string, number>();
    for (const line of decodeText(input.bytes).split('\n')) {
      const record = parseRecord(line);
      if (typeof record === 'string') faults.set(record, (faults.get(record) ?? 0) + 1);
      else if (record !== null) records.push(record);
    }
    const left = [...faults].map(([fault, count]) => `${count} with ${fault}`).join(', ');
    if (records.length === 0) {
      const which = left === '' ? '' : ` that can be read, ${left}`;
      throw new FormatError(`${input.source}: no SECCOMP records${which} (type=SECCOMP or type=1326)`);
    }
    if (left !== '') remarks.add(`records that cannot be read are left out, ${left}`);
    const origin = records.reduce((least, { time }) => Math.min(least, time), Infinity);
    const paths = [...new Set(records.flatMap(({ exe }) => exe ?? []))];
    const groups = new Map<string, AuditRecord[]>();
    for (const record of records) {
      const key = `${record.pid} ${record.exe ?? record.comm}`;
      groups.set(key, [...(groups.get(key) ?? []), record]);
    }
    const processes = [...groups.values()].map((group): Process => {
      const { pid, exe } = group[0]!;
      const start = (group[0]!.time - origin) * NS;
      return {
        run: 0,
        pid,
        birth: 'attach',
        parent: null,
        program: exe === null ? null : paths.indexOf(exe),
        argv: [group[0]!.comm],
        start,
        end: null,
        exit: null,
        threads: [],
        transitions: [{ phase: 0, at: start }],
        listens: [],
        calls: readCalls(group, origin, remarks),
      };
    });
    return finishProfile(
      {
        command: [paths[0] ?? records[0]!.comm],
        start: new Date(origin).toISOString(),
        duration: records.reduce((most, { time }) => Math.max(most, (time - origin) * NS), 0),
        arch: input.arch,
        programs: paths.map((path) => ({ path, buildId: null, calls: [] })),
        processes,
        incomplete: ['Read from an audit log, which has only what a filter logged or denied.'],
      },
      remarks,
    );
  },
};

const RECORD = /\btype=(?:SECCOMP|1326)\b.*\bsyscall=[0-9]/;

/** Null for another line; for a record that cannot be read, what is wrong with it. */
function parseRecord(line: string): AuditRecord | string | null {
  if (!RECORD.test(line)) return null;
  const field = (name: string): string | null =>
    new RegExp(`(?:^|[ \\t'])${name}=("[^"]*"|[^ \\t'"]+)`).exec(line)?.[1] ?? null;
  const [, time] = /audit\(([0-9]{1,10}\.[0-9]{3}):[0-9]+\)/.exec(line) ?? [];
  const [arch, nr, pid] = [field('arch'), field('syscall'), field('pid')];
  if (time === undefined) return 'no audit(TIME:SERIAL)';
  if (arch === null || !/^[0-9a-f]{1,8}$/i.test(arch)) return 'no arch=';
  if (nr === null || !/^-?[0-9]+$/.test(nr)) return 'no syscall=';
  if (pid === null || !/^[0-9]+$/.test(pid)) return 'no pid=';
  return {
    time: Number(time.replace('.', '').slice(0, 13)),
    pid: Number(pid),
    exe: decodeString(field('exe')),
    comm: decodeString(field('comm')) ?? 'unknown',
    arch: Number.parseInt(arch, 16),
    nr: Number(nr),
  };
}

/** Quoted, or in hexadecimal if it has characters that could break the line; `(null)` is nothing. */
function decodeString(value: string | null): string | null {
  if (value === null || value === '(null)' || value === '""' || value === '?') return null;
  if (value.startsWith('"')) return value.slice(1, -1);
  if (!/^(?:[0-9A-F]{2})+$/.test(value)) return value;
  return new TextDecoder('utf-8').decode(
    Uint8Array.from(value.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16)),
  );
}

function readCalls(records: readonly AuditRecord[], origin: number, remarks: Remarks): readonly Call[] {
  const calls = new Map<string, Call>();
  for (const { arch: audit, nr: raw, time } of records) {
    const call = identifyCall(raw >>> 0, audit);
    if (call === null) {
      remarks.add(
        'calls of arches that callgate does not know are left out',
        `arch ${audit.toString(16)} number ${raw}`,
      );
      continue;
    }
    const { arch, nr } = call;
    const at = (time - origin) * NS;
    const known = calls.get(`${arch} ${nr}`);
    calls.set(
      `${arch} ${nr}`,
      importedCall(arch, nr, {
        name: syscallName(arch, nr),
        count: (known?.count ?? 0) + 1,
        first: Math.min(known?.first ?? at, at),
        last: Math.max(known?.last ?? at, at),
      }),
    );
  }
  return [...calls.values()];
}
