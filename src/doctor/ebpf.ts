import { judgeAnswer } from './answer.ts';
import { supported, undetermined, unsupported, type Check, type Question } from './check.ts';
import { CAP } from '../abi/capabilities.ts';
import { describeSetting, haveCapability, type Facts } from './facts.ts';

/** Checks of what a method by eBPF will stand on. */
export function checkEbpf(facts: Facts): Check[] {
  return [checkBpf(facts), checkBtf(facts), checkTracepoint(facts), checkPids(facts), checkPerf(facts)];
}

function ask(name: string, since: string): Question {
  return { area: 'eBPF', name, since, neededFor: ['eBPF tracing'] };
}

function checkBpf({ native, unprivilegedBpf, allUsersMapped }: Facts): Check {
  const sysctl = `kernel.unprivileged_bpf_disabled=${describeSetting(unprivilegedBpf)}`;
  return judgeAnswer(
    ask('bpf(2)', '5.14'),
    native.bpf,
    `a raw tracepoint program was loaded, a key taken out of a map (${sysctl})`,
    `run ${allUsersMapped === false ? 'outside of this user namespace ' : ''}with CAP_BPF and CAP_PERFMON (root has them), on a kernel with CONFIG_BPF_SYSCALL (${sysctl})`,
  );
}

function checkBtf({ btf }: Facts): Check {
  const question = ask('BTF', '5.4');
  switch (btf.kind) {
    case 'read':
      return supported(question, `/sys/kernel/btf/vmlinux, ${(btf.size / 1e6).toFixed(1)} MB`);
    case 'absent':
      return unsupported(
        question,
        'no /sys/kernel/btf/vmlinux',
        'boot a kernel with CONFIG_DEBUG_INFO_BTF, and mount sysfs on /sys',
      );
    case 'unreadable':
      return undetermined(question, btf.reason, 'make /sys/kernel/btf/vmlinux readable');
  }
}

/** A program of type btf_trace_sys_enter in the BTF is there exactly if the tracepoint is; attaching would disturb the machine. */
function checkTracepoint({ btf }: Facts): Check {
  const question = ask('raw tracepoint sys_enter', '4.17');
  if (btf.kind !== 'read') return undetermined(question, 'unknown without BTF', 'see BTF');
  return btf.sysEnter
    ? supported(question, 'described in the BTF')
    : unsupported(
        question,
        'not in the BTF',
        'boot a kernel with CONFIG_FTRACE_SYSCALLS and CONFIG_BPF_EVENTS',
      );
}

/** The programs see the pids of the initial namespace, callgate those of its own. */
function checkPids({ initialPids }: Facts): Check {
  const question = { ...ask('pid namespace', '3.8'), since: null };
  return initialPids
    ? supported(question, 'the initial one')
    : unsupported(
        question,
        'one of its own',
        'run callgate outside of the container (docker run --pid=host)',
      );
}

/** Source: Documentation/admin-guide/sysctl/kernel.rst, perf_event_paranoid: -1 admits everyone, capabilities always do. */
function checkPerf(facts: Facts): Check {
  const question = ask('perf events', '2.6.31');
  const { perfEventParanoid } = facts;
  const sysctl = `kernel.perf_event_paranoid=${describeSetting(perfEventParanoid)}`;
  if (perfEventParanoid.kind === 'absent') {
    return unsupported(question, sysctl, 'boot a kernel with CONFIG_PERF_EVENTS');
  }
  if (haveCapability(facts, CAP.PERFMON) || haveCapability(facts, CAP.SYS_ADMIN)) {
    return supported(question, `${sysctl}, by capability`);
  }
  if (perfEventParanoid.kind === 'unreadable') return undetermined(question, sysctl, 'run with CAP_PERFMON');
  return Number(perfEventParanoid.text) < 0
    ? supported(question, sysctl)
    : unsupported(
        question,
        sysctl,
        'run with CAP_PERFMON (root has it), or set kernel.perf_event_paranoid to -1',
      );
}
