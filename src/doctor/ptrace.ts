import { isError, judgeAnswer } from './answer.ts';
import {
  supported,
  TRACING,
  undetermined,
  unsupported,
  type Check,
  type Purpose,
  type Question,
} from './check.ts';
import { CAP, hasBit } from '../abi/capabilities.ts';
import { describeSetting, haveCapability, type Facts } from './facts.ts';

const EIO = 5;
const EINVAL = 22;

/** Checks of ptrace(2) and of what may be traced. */
export function checkPtrace(facts: Facts): Check[] {
  const { ptrace } = facts.native;
  return [
    judgeAnswer(
      ask('PTRACE_SEIZE', '3.4'),
      ptrace.seize,
      'a child of our own was seized',
      explainRefusal(facts),
    ),
    judgeAnswer(
      ask('PTRACE_INTERRUPT', '3.4'),
      ptrace.interrupt,
      'the child stopped',
      'see PTRACE_SEIZE; if that works, report this with the kernel release',
    ),
    judgeAnswer(
      ask('PTRACE_GET_SYSCALL_INFO', '5.3'),
      ptrace.syscallInfo,
      `a system call was seen, nr ${ptrace.syscallInfo.kind === 'value' ? ptrace.syscallInfo.value : ''}`,
      isError(ptrace.syscallInfo, EIO) || isError(ptrace.syscallInfo, EINVAL)
        ? `boot Linux 5.3 or newer (this is ${facts.kernel})`
        : 'see PTRACE_SEIZE',
    ),
    judgeAnswer(
      ask('PTRACE_DETACH', '2.6', ['trace --pid']),
      ptrace.detach,
      'the child was let go',
      'see PTRACE_SEIZE',
    ),
    judgeAnswer(
      // Where it kills, it kills the tracer.
      ask('process_vm_readv', '3.2', ptrace.readMemory.kind === 'killed' ? TRACING : ['reading arguments']),
      ptrace.readMemory,
      'memory of the child was read',
      'needs CONFIG_CROSS_MEMORY_ATTACH, and a container whose seccomp profile allows it',
    ),
    checkMemoryWrite(facts),
    checkYama(facts),
  ];
}

function ask(name: string, since: string, neededFor: readonly Purpose[] = TRACING): Question {
  return { area: 'ptrace', name, since, neededFor };
}

function checkMemoryWrite({ native }: Facts): Check {
  const question = ask('/proc/PID/mem', '2.6.39', ['symbol triggers']);
  const advice = 'boot without proc_mem.force_override=never, which forbids breakpoints';
  const { writeMemory } = native.ptrace;
  return writeMemory.kind === 'value' && writeMemory.value === 0
    ? unsupported(question, 'writing a read-only page was refused', advice)
    : judgeAnswer(question, writeMemory, 'a read-only page of the child was written', advice);
}

/** Who may trace whom; source: Documentation/admin-guide/LSM/Yama.rst. */
function checkYama(facts: Facts): Check {
  const scope = facts.yama.kind === 'value' ? facts.yama.text : null;
  const question = ask(
    'Yama ptrace_scope',
    '3.4',
    scope === '2' || scope === '3' ? TRACING : ['trace --pid'],
  );
  const privileged = haveCapability(facts, CAP.SYS_PTRACE);
  if (facts.yama.kind === 'absent') return supported(question, 'absent: no limit of its own');
  switch (scope) {
    case '0':
      return supported(question, '0: no limit of its own');
    case '1':
      return privileged
        ? supported(question, '1: any process, by CAP_SYS_PTRACE')
        : unsupported(
            question,
            '1: only programs that callgate starts',
            `to attach to running processes ${gainCapability(facts, 'SYS_PTRACE')}, or set kernel.yama.ptrace_scope to 0; starting the program under callgate needs neither`,
          );
    case '2':
      return privileged
        ? supported(question, '2: any process, by CAP_SYS_PTRACE')
        : unsupported(
            question,
            '2: only with CAP_SYS_PTRACE',
            `${gainCapability(facts, 'SYS_PTRACE')}, or set kernel.yama.ptrace_scope to 1 or 0`,
          );
    case '3':
      return unsupported(
        question,
        '3: nothing may be traced, not even by root',
        'remove the setting (kernel.yama.ptrace_scope in /etc/sysctl.d) and reboot: it cannot be lowered while the system runs',
      );
    default:
      return undetermined(
        question,
        describeSetting(facts.yama),
        'try it: callgate trace --pid PID; if it is refused, run as root',
      );
  }
}

/** How this process could come to have a capability that it lacks. */
export function gainCapability(facts: Facts, name: keyof typeof CAP): string {
  // What the bounding set has, root gets by executing anything; what it lacks, nobody here can get.
  if (facts.self === null || hasBit(facts.self.bounding, CAP[name])) return 'run as root';
  return facts.containerHints.length > 0
    ? `start the container with --cap-add ${name}`
    : `use a session whose capability bounding set has CAP_${name}`;
}

/** The likeliest reason why a child of our own cannot be seized, and its cure. */
function explainRefusal(facts: Facts): string {
  const { self, yama } = facts;
  if (self !== null && self.tracerPid !== 0) {
    return `callgate itself is traced, by pid ${self.tracerPid} (strace, a debugger), and with it all that it starts: run it by itself`;
  }
  if (yama.kind === 'value' && (yama.text === '2' || yama.text === '3')) return 'see Yama ptrace_scope';
  if (self !== null && self.seccompMode === 2) {
    return 'a seccomp filter that is on this process forbids ptrace: start the container with --cap-add SYS_PTRACE or --security-opt seccomp=unconfined, or the service without SystemCallFilter=';
  }
  if (facts.containerHints.length > 0) return gainCapability(facts, 'SYS_PTRACE');
  return 'a security module may forbid it (SELinux: setsebool deny_ptrace off; AppArmor: see the audit log)';
}
