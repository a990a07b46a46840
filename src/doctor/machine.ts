import { I386_EXIT_CODE } from '../sys/probe-facts.ts';
import { judgeAnswer } from './answer.ts';
import { supported, TRACING, undetermined, unsupported, type Check, type Question } from './check.ts';
import { describeSetting, isRelease, type Facts } from './facts.ts';

const NODE_MINIMUM = '20.19.0';
const KERNEL_MINIMUM = '5.3';

/** Checks of what callgate itself stands on. */
export function checkMachine(facts: Facts): Check[] {
  return [
    checkNode(facts),
    checkArch(facts),
    checkKernel(facts),
    checkLibc(facts),
    checkProc(facts),
    checkLauncher(facts),
  ];
}

function ask(name: string, since: string | null = null): Question {
  return { area: 'machine', name, since, neededFor: [...TRACING, 'eBPF tracing'] };
}

function checkNode({ node }: Facts): Check {
  return isRelease(node, NODE_MINIMUM) === true
    ? supported(ask('Node.js'), node)
    : unsupported(ask('Node.js'), node, `install Node.js ${NODE_MINIMUM} or newer`);
}

function checkArch({ machine }: Facts): Check {
  return machine === 'x86_64'
    ? supported(ask('architecture'), machine)
    : unsupported(
        ask('architecture'),
        machine,
        'trace on an x86-64 machine; profiles that were recorded there can be read here',
      );
}

/** The release only explains: a vendor's kernel may have what its number does not promise, and the probes decide. */
function checkKernel({ kernel, native }: Facts): Check {
  const question: Question = { ...ask('kernel', KERNEL_MINIMUM), neededFor: [] };
  if (isRelease(kernel, KERNEL_MINIMUM) === true) return supported(question, kernel);
  if (native.ptrace.syscallInfo.kind === 'value')
    return supported(question, `${kernel}, with what tracing needs`);
  return unsupported(question, kernel, `boot Linux ${KERNEL_MINIMUM} or newer`);
}

function checkLibc({ native }: Facts): Check {
  if (native.unavailable !== null) {
    return unsupported(
      ask('libc'),
      native.unavailable,
      'callgate calls glibc 2.29 or newer through koffi: use a distribution with glibc (not musl), and install again so that the koffi package of this platform is there',
    );
  }
  return supported(ask('libc'), native.glibc === null ? 'loaded' : `glibc ${native.glibc}`);
}

function checkProc({ self, procOptions }: Facts): Check {
  if (self === null) return unsupported(ask('/proc'), 'not mounted', 'mount it: mount -t proc proc /proc');
  const limits = (procOptions ?? []).filter(
    (option) => option.startsWith('hidepid=') || option.startsWith('subset='),
  );
  const hidden = limits.some((option) => !/^hidepid=(?:0|off)$/.test(option));
  return supported(ask('/proc'), hidden ? `mounted, ${limits.join(',')}` : 'mounted');
}

function checkLauncher({ native, memfdNoexec, self }: Facts): Check {
  const setting = describeSetting(memfdNoexec);
  return judgeAnswer(
    ask('exec from memory', '3.17'),
    native.launcher,
    setting === '2' ? 'by a temporary file (vm.memfd_noexec=2)' : `memfd_create, vm.memfd_noexec=${setting}`,
    self === null
      ? 'see /proc'
      : `the launcher of programs is kept in memory: set vm.memfd_noexec to 0 or 1 (it is ${setting}), or point TMPDIR at a directory that is not on a noexec file system`,
  );
}

/** Checks of what other than x86-64 programs can run, and so be traced. */
export function checkArchitectures({ native }: Facts): Check[] {
  const i386: Question = { area: 'architectures', name: 'i386', since: null, neededFor: ['i386 programs'] };
  const x32: Question = { area: 'architectures', name: 'x32', since: '3.4', neededFor: ['x32 programs'] };
  const odd = native.i386.kind === 'value' && native.i386.value !== I386_EXIT_CODE;
  return [
    odd
      ? undetermined(i386, 'the probe ran, but not as written', 'if such programs are to be traced, try one')
      : judgeAnswer(
          i386,
          native.i386,
          'a 32-bit program runs',
          'nothing, unless such programs are to be traced: then boot a kernel with CONFIG_IA32_EMULATION, and without ia32_emulation=0',
        ),
    judgeAnswer(
      x32,
      native.x32,
      'system calls with bit 30 are taken',
      'nothing, unless such programs are to be traced: then boot a kernel with CONFIG_X86_X32_ABI (Debian: with syscall.x32=y)',
    ),
  ];
}
