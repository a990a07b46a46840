import { spawnSync } from 'node:child_process';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { defineDoctor } from '../../src/cli/doctor-command.ts';
import { judgeFacts, type Diagnosis } from '../../src/doctor/diagnosis.ts';
import { capabilities, EPERM, scriptMachine, UNTRIED } from '../../src/doctor/testing/machines.ts';
import { renderDoctor } from '../../src/report/doctor.ts';
import { everyPtrace } from '../../src/sys/probe-facts.ts';
import { CALLGATE } from '../support/callgate.ts';
import { sharedCallgate } from '../support/shared-callgate.ts';

const NOBODY = ['--reuid=65534', '--regid=65534', '--clear-groups'];

function doctor(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(CALLGATE, ['doctor', ...args], { encoding: 'utf8' });
}

describe('callgate doctor', () => {
  it('ends with what can be traced and exits with 0', () => {
    const { status, stdout, stderr } = doctor();
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^Linux .*, x86_64, Node\.js .*, glibc .*\n\nmachine\n/);
    expect(stdout).toMatch(
      /\ncallgate trace -- PROGRAM works by ebpf \(the default\), seccomp, adaptive and ptrace; --pid works by ebpf for .*; watch, --all, --cgroup and --container work\.\n$/,
    );
    expect(status).toBe(0);
  });

  it('gives the same as JSON', () => {
    const { status, stdout } = doctor('--json');
    const diagnosis = JSON.parse(stdout) as Diagnosis;
    expect(status).toBe(0);
    expect(Object.keys(diagnosis)).toEqual(['format', 'version', 'host', 'checks', 'notes', 'methods']);
    expect(diagnosis.format).toBe('callgate-diagnosis');
    for (const check of diagnosis.checks) {
      expect(Object.keys(check).sort()).toEqual([
        'advice',
        'area',
        'detail',
        'name',
        'neededFor',
        'since',
        'status',
      ]);
      expect(check.advice === null).toBe(check.status === 'supported');
    }
    expect(diagnosis.methods.map(({ command, method }) => `${command} ${method}`)).toEqual([
      'start ebpf',
      'start seccomp',
      'start adaptive',
      'start ptrace',
      'attach ebpf',
      'attach ptrace',
    ]);
  });

  it('works without any privilege', () => {
    const { status, stdout, stderr } = spawnSync(
      'setpriv',
      [...NOBODY, sharedCallgate(), 'doctor', '--json'],
      {
        encoding: 'utf8',
      },
    );
    expect(stderr).toBe('');
    const { checks } = JSON.parse(stdout) as Diagnosis;
    expect(checks.find(({ name }) => name === 'CAP_SYS_PTRACE')?.status).toBe('unsupported');
    expect(checks.find(({ name }) => name === 'PTRACE_EVENT_SECCOMP')?.status).toBe('supported');
    expect(status).toBe(0);
  });

  it('shows its examples and exit codes in the help', () => {
    let help = '';
    const program = new Command('callgate')
      .exitOverride()
      .configureOutput({ writeOut: (text) => (help += text) });
    defineDoctor(program);
    expect(() => program.parse(['node', 'callgate', 'doctor', '--help'])).toThrow();
    expect(help).toContain('sudo callgate doctor');
    expect(help).toContain('Exit codes: 0');
  });
});

describe('the text of a diagnosis', () => {
  it('tells the advice that neighbours share once, and what cannot be traced last', () => {
    const text = renderDoctor(
      judgeFacts(
        scriptMachine({
          yama: { kind: 'value', text: '3' },
          self: { effective: 0n },
          native: { ptrace: { ...everyPtrace(UNTRIED), seize: EPERM } },
        }),
      ),
    );
    expect(text).toContain(`
ptrace
  no  PTRACE_SEIZE                            EPERM
        for all tracing (Linux 3.4): see Yama ptrace_scope
  ?   PTRACE_INTERRUPT                        not tried: an earlier step failed
  ?   PTRACE_GET_SYSCALL_INFO                 not tried: an earlier step failed
  ?   PTRACE_DETACH                           not tried: an earlier step failed
  ?   process_vm_readv                        not tried: an earlier step failed
  ?   /proc/PID/mem                           not tried: an earlier step failed
        first do what the checks above say
  no  Yama ptrace_scope                       3: nothing may be traced, not even by root
        for all tracing (Linux 3.4): remove the setting (kernel.yama.ptrace_scope in /etc/sysctl.d)
        and reboot: it cannot be lowered while the system runs
`);
    expect(text.trimEnd().split('\n').at(-1)).toBe(
      'callgate trace -- PROGRAM does not work here (see CAP_BPF, CAP_PERFMON, perf events, PTRACE_SEIZE, Yama ptrace_scope); --pid does not work here (see CAP_BPF, CAP_PERFMON, perf events, PTRACE_SEIZE, Yama ptrace_scope); watch, --all, --cgroup and --container need eBPF, which does not work here.',
    );
  });

  it.each([
    { missing: ['SYS_PTRACE', 'DAC_READ_SEARCH'], has: [] },
    { missing: ['SYS_PTRACE'], has: ['DAC_OVERRIDE'] },
    { missing: ['DAC_READ_SEARCH'], has: ['SYS_PTRACE'] },
  ] as const)('judges watch apart from eBPF: without $missing', ({ missing, has }) => {
    const effective = capabilities('PERFMON', 'BPF', ...has);
    const text = renderDoctor(judgeFacts(scriptMachine({ self: { effective } })));
    expect(text.trimEnd()).toMatch(
      new RegExp(
        `; --all, --cgroup and --container work; watch cannot look at every process \\(see ${missing.map((name) => `CAP_${name}`).join(', ')}\\)\\.$`,
      ),
    );
  });

  it('recommends the method that is left', () => {
    const { seccomp } = scriptMachine().native;
    const text = renderDoctor(
      judgeFacts(
        scriptMachine({ self: { effective: 0n }, native: { seccomp: { ...seccomp, traceStop: EPERM } } }),
      ),
    );
    expect(text.trimEnd().split('\n').at(-1)).toBe(
      'callgate trace -- PROGRAM works by ptrace, so give --method ptrace (seccomp: see PTRACE_EVENT_SECCOMP); --pid works by ptrace for processes of this user; watch, --all, --cgroup and --container need eBPF, which does not work here.',
    );
  });
});
