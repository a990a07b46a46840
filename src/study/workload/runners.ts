import { existsSync, readFileSync } from 'node:fs';
import { syscallName } from '../../abi/syscalls.ts';
import type { Violation } from '../../trace/backend.ts';
import type { Runner } from './model.ts';

/** The program as it is. */
export function plainRunner(): Runner {
  return { name: 'plain', wrap: () => null, leaves: [], patience: 1, judge: () => [] };
}

/** `callgate trace`: a profile for each start. `options` go to it, such as `--phase` or `--method`. */
export function traceRunner(callgate: string, options: readonly string[] = []): Runner {
  return {
    name: 'trace',
    wrap: (output) => [callgate, 'trace', '-q', '-o', `${output}.json`, ...options, '--'],
    leaves: ['.json'],
    patience: 6,
    judge: () => [],
  };
}

/**
 * `callgate run --policy`: the policy in force. A call that is denied with an error is known only by what it does to the
 * program: for a test the policy should kill.
 */
export function enforcingRunner(callgate: string, policy: string): Runner {
  return {
    name: 'run',
    wrap: (output) => [callgate, 'run', '-q', '--policy', policy, '--report', `${output}.violations`, '--'],
    leaves: ['.violations'],
    patience: 4,
    judge: (output) => violations(`${output}.violations`),
  };
}

/** `callgate run --audit`: nothing is denied, each call outside of the policy is told; the exit code is then 1. */
export function auditingRunner(callgate: string, policy: string): Runner {
  return {
    name: 'audit',
    wrap: (output) => [
      callgate,
      'run',
      '-q',
      '--audit',
      '--policy',
      policy,
      '--report',
      `${output}.violations`,
      '--',
    ],
    leaves: ['.violations'],
    patience: 6,
    judge: (output) => violations(`${output}.violations`),
  };
}

/** `strace -f`, one file for each start. */
export function straceRunner(): Runner {
  return {
    name: 'strace',
    wrap: (output) => ['strace', '-f', '-qq', '-o', `${output}.strace`, '--'],
    leaves: ['.strace'],
    patience: 20,
    judge: () => [],
  };
}

/** valgrind's callgrind with the address of every executed instruction; children that fork have files of their own. */
export function callgrindRunner(): Runner {
  return {
    name: 'callgrind',
    wrap: (output) => [
      'valgrind',
      '-q',
      '--tool=callgrind',
      '--dump-instr=yes',
      '--dump-line=no',
      `--callgrind-out-file=${output}.%p.callgrind`,
      `--log-file=${output}.valgrind`,
    ],
    leaves: ['.valgrind'],
    dump: (output, pid) => `${output}.${pid}.callgrind`,
    patience: 40,
    judge: () => [],
  };
}

/** One line for each distinct violation that a report of `callgate run` holds. */
function violations(file: string): readonly string[] {
  if (!existsSync(file)) return [];
  const lines = new Set<string>();
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line === '') continue;
    const { arch, nr, phase, program, outcome, backtrace } = JSON.parse(line) as Violation;
    const call = `${arch} ${syscallName(arch, nr) ?? nr}`;
    const from = backtrace.length === 0 ? '' : `, from ${backtrace.slice(0, 3).join(' < ')}`;
    lines.add(
      `${outcome} outside of the policy: ${call} by ${program ?? 'a program'} in phase ${phase}${from}`,
    );
  }
  return [...lines];
}
