import { expect, it } from 'vitest';
import { SystemCallError } from '../../base/errors.ts';
import { ProgramRefusedError } from '../../sys/bpf.ts';
import { TRACE } from './asker.ts';
import { explainRefusal, type Surroundings } from './refusal.ts';

const ROOT: Surroundings = { capabilities: (1n << 41n) - 1n, kernel: '6.1.0-13-amd64', lockdown: null };
const refused = (errno: number): SystemCallError =>
  new SystemCallError('bpf: BPF_MAP_CREATE failed for map callgate_tasks', {
    request: 'BPF_MAP_CREATE',
    errno,
  });

it.each([
  {
    name: 'no bpf(2) in the kernel',
    error: refused(38),
    around: ROOT,
    want: 'this kernel has no bpf(2), ENOSYS (CONFIG_BPF_SYSCALL, or a seccomp filter that denies it; --method seccomp does without)',
  },
  {
    name: 'no privilege',
    error: refused(1),
    around: { ...ROOT, capabilities: 1n << 39n },
    want: 'it needs CAP_BPF and CAP_PERFMON, or root (--method seccomp needs no privilege)',
  },
  {
    name: 'a locked-down kernel',
    error: refused(1),
    around: { ...ROOT, lockdown: 'confidentiality' },
    want: 'the kernel is locked down for confidentiality (--method seccomp does without)',
  },
  {
    name: 'a limit of locked memory',
    error: refused(1),
    around: { ...ROOT, kernel: '5.10.0-28-amd64' },
    want: 'BPF_MAP_CREATE gave EPERM: the limit of locked memory is too small, which counts on Linux before 5.11 (ulimit -l unlimited)',
  },
  {
    name: "a container's filter",
    error: refused(1),
    around: ROOT,
    want: "BPF_MAP_CREATE gave EPERM although the capabilities are there (a container's seccomp filter, or not the initial user namespace; --method seccomp does without)",
  },
  {
    name: 'a limit of open files',
    error: refused(24),
    around: ROOT,
    want: 'BPF_MAP_CREATE gave EMFILE: more files would be open than are allowed (ulimit -n)',
  },
  {
    name: 'all files of the machine',
    error: refused(23),
    around: ROOT,
    want: 'BPF_MAP_CREATE gave ENFILE: all files are open that the machine allows (sysctl fs.file-max)',
  },
  {
    name: 'no memory',
    error: refused(12),
    around: ROOT,
    want: 'BPF_MAP_CREATE gave ENOMEM: there is not enough memory',
  },
  {
    name: 'the verifier',
    error: new ProgramRefusedError(
      'bpf: the kernel refused program callgate_enter, EACCES',
      13,
      '0: (95) exit\nR0 !read_ok\nprocessed 1 insns\n',
    ),
    around: ROOT,
    want: 'bpf: the kernel refused program callgate_enter, EACCES, the verifier says "R0 !read_ok"',
  },
])('a refusal is explained in one line: $name', ({ error, around, want }) => {
  expect(explainRefusal(error, TRACE, around).message).toBe(`trace: eBPF tracing cannot be set up: ${want}`);
  // A machine, or a cgroup, is traced by no other method.
  const other = / \(--method seccomp [a-z ]+\)|; --method seccomp [a-z ]+/;
  expect(explainRefusal(error, { command: 'watch', hasAlternative: false }, around).message).toBe(
    `watch: eBPF tracing cannot be set up: ${want.replace(other, '')}`,
  );
});
