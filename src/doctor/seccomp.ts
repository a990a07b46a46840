import { PROBED_ACTIONS, PROBED_FLAGS, type Answer } from '../sys/probe-facts.ts';
import { describeAnswer, isError, judgeAnswer } from './answer.ts';
import { supported, undetermined, unsupported, type Check, type Purpose, type Question } from './check.ts';
import type { Facts } from './facts.ts';

const EACCES = 13;
const EFAULT = 14;
const EINVAL = 22;
const ENOSYS = 38;
const EOPNOTSUPP = 95;

const SYS_execve = 59;

/** First release and use of each action; source: seccomp(2). */
const ACTIONS: Readonly<Record<keyof typeof PROBED_ACTIONS, readonly [string, readonly Purpose[]]>> = {
  KILL_PROCESS: ['4.14', ['enforcing a filter']],
  KILL_THREAD: ['3.5', ['enforcing a filter']],
  TRAP: ['3.5', ['enforcing a filter']],
  ERRNO: ['3.5', ['enforcing a filter']],
  USER_NOTIF: ['5.0', ['supervising a filter']],
  TRACE: ['3.5', ['trace --method seccomp']],
  LOG: ['4.14', ['enforcing a filter']],
  ALLOW: ['3.5', ['trace --method seccomp', 'enforcing a filter']],
};

/** First release and use of each flag; source: seccomp(2), include/uapi/linux/seccomp.h. */
const FLAGS: Readonly<Record<keyof typeof PROBED_FLAGS, readonly [string, readonly Purpose[]]>> = {
  TSYNC: ['3.17', ['enforcing a filter']],
  LOG: ['4.14', ['enforcing a filter']],
  SPEC_ALLOW: ['4.17', ['enforcing a filter']],
  NEW_LISTENER: ['5.0', ['supervising a filter']],
  TSYNC_ESRCH: ['5.7', ['supervising a filter']],
  WAIT_KILLABLE_RECV: ['5.19', ['supervising a filter']],
};

/** Checks of seccomp(2): for tracing with one stop a call, and for filters that are to be enforced. */
export function checkSeccomp(facts: Facts): Check[] {
  return [
    checkTraceStop(facts),
    checkNoNewPrivs(facts),
    ...Object.entries(ACTIONS).map(([name, [since, neededFor]]) =>
      checkAction(facts, { area: 'seccomp', name: `SECCOMP_RET_${name}`, since, neededFor }, name),
    ),
    ...Object.entries(FLAGS).map(([name, [since, neededFor]]) =>
      checkFlag(
        { area: 'seccomp', name: `SECCOMP_FILTER_FLAG_${name}`, since, neededFor },
        facts.native.seccomp.flags[name] as Answer,
      ),
    ),
  ];
}

function checkTraceStop(facts: Facts): Check {
  const question: Question = {
    area: 'seccomp',
    name: 'PTRACE_EVENT_SECCOMP',
    since: '3.5',
    neededFor: ['trace --method seccomp'],
  };
  const answer = facts.native.seccomp.traceStop;
  const instead = 'callgate trace --method ptrace needs no filter';
  if (answer.kind === 'value' && answer.value !== SYS_execve) {
    return unsupported(question, 'the filter was installed, but stopped nothing', instead);
  }
  let advice = `see PTRACE_SEIZE; ${instead}`;
  if (facts.self?.seccompMode === null || isError(answer, ENOSYS) || isError(answer, EINVAL)) {
    advice = `boot a kernel with CONFIG_SECCOMP_FILTER; ${instead}`;
  } else if (isError(answer, EACCES)) {
    advice = `no_new_privs could not be set; ${instead}`;
  } else if (facts.self?.seccompMode === 2) {
    advice = `a seccomp filter that is on this process forbids another one (container, service manager); ${instead}`;
  }
  return judgeAnswer(question, answer, 'a filter with SECCOMP_RET_TRACE stopped a child', advice);
}

function checkNoNewPrivs({ native }: Facts): Check {
  const question: Question = {
    area: 'seccomp',
    name: 'no_new_privs',
    since: '3.5',
    neededFor: ['trace --method seccomp', 'enforcing a filter'],
  };
  const advice = 'boot Linux 3.5 or newer, or allow prctl(2) in the filter that is on this process';
  return native.setNoNewPrivs.kind === 'value'
    ? judgeAnswer(question, native.getNoNewPrivs, 'can be read, and set in a child', advice)
    : judgeAnswer(question, native.setNoNewPrivs, '', advice);
}

/** The kernel's list and its answer agree, unless a filter or another kernel stands between. */
function checkAction(facts: Facts, question: Question, name: string): Check {
  const answer = facts.native.seccomp.actions[name] as Answer;
  const { actionsAvailable } = facts;
  const listed =
    actionsAvailable.kind === 'value' ? actionsAvailable.text.split(' ').includes(name.toLowerCase()) : null;
  const advice = `boot Linux ${question.since} or newer with CONFIG_SECCOMP_FILTER, and allow seccomp(2) in the filter that is on this process, if there is one`;
  if (answer.kind === 'value') {
    return supported(question, listed === false ? 'offered, though not in actions_avail' : 'offered');
  }
  if (isError(answer, EOPNOTSUPP)) return unsupported(question, describeAnswer(answer), advice);
  // SECCOMP_GET_ACTION_AVAIL came with 4.14, three years after the first actions: its absence says nothing.
  if (listed === null && isError(answer, EINVAL) && facts.self?.seccompMode !== null) {
    return undetermined(question, 'this kernel cannot be asked (Linux 4.14 or newer can)', advice);
  }
  return judgeAnswer(question, answer, '', advice);
}

function checkFlag(question: Question, answer: Answer): Check {
  const advice = `boot Linux ${question.since} or newer`;
  if (isError(answer, EFAULT)) return supported(question, 'known');
  if (isError(answer, EINVAL)) return unsupported(question, 'unknown to this kernel', advice);
  if (isError(answer, ENOSYS)) {
    return unsupported(question, 'there is no seccomp(2)', `${advice}, with CONFIG_SECCOMP_FILTER`);
  }
  if (answer.kind === 'error') {
    return undetermined(question, describeAnswer(answer), 'ask again outside of this container or service');
  }
  return judgeAnswer(question, answer, 'known', 'allow seccomp(2) in the filter that is on this process');
}
