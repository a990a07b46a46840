import { PROBED_ACTIONS, PROBED_FLAGS, type Answer } from '../sys/probe-facts.ts';
import { describeAnswer, isError, judgeAnswer } from './answer.ts';
import { supported, undetermined, unsupported, type Check, type Purpose, type Question } from './check.ts';
import type { Facts } from './facts.ts';

const EACCES = 13;
const EFAULT = 14;
const EINVAL = 22;
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
  ALLOW: ['3.5', ['enforcing a filter']],
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
        facts,
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
  if (facts.native.ptrace.seize.kind !== 'value') {
    advice = 'see PTRACE_SEIZE';
  } else if (isError(answer, EACCES)) {
    advice = `no_new_privs could not be set; ${instead}`;
  } else if (answer.kind === 'error' || answer.kind === 'killed') {
    advice = `${explainRefusal(facts)}; ${instead}`;
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

function checkAction(facts: Facts, question: Question, name: string): Check {
  const answer = facts.native.seccomp.actions[name] as Answer;
  const { actionsAvailable } = facts;
  const listed =
    actionsAvailable.kind === 'value' ? actionsAvailable.text.split(' ').includes(name.toLowerCase()) : null;
  if (answer.kind === 'value') {
    return supported(question, listed === false ? 'offered, though not in actions_avail' : 'offered');
  }
  // SECCOMP_GET_ACTION_AVAIL came with 4.14, years after the first actions: its absence says nothing about them.
  if (isError(answer, EINVAL) && listed === null && facts.self?.seccompMode !== null) {
    return undetermined(
      question,
      'this kernel cannot be asked',
      'boot Linux 4.14 or newer, which can tell what it offers',
    );
  }
  return isError(answer, EOPNOTSUPP)
    ? unsupported(question, describeAnswer(answer), `boot Linux ${question.since} or newer`)
    : judgeAnswer(question, answer, 'offered', explainRefusal(facts));
}

function checkFlag(facts: Facts, question: Question, answer: Answer): Check {
  if (isError(answer, EFAULT)) return supported(question, 'known');
  return isError(answer, EINVAL) && facts.self?.seccompMode !== null
    ? unsupported(question, 'unknown to this kernel', `boot Linux ${question.since} or newer`)
    : judgeAnswer(question, answer, 'known', explainRefusal(facts));
}

/** Why seccomp(2) itself is refused, and the cure. */
function explainRefusal({ self }: Facts): string {
  return self?.seccompMode === 2
    ? 'a seccomp filter that is on this process forbids seccomp(2): start the container with --security-opt seccomp=unconfined, or the service without SystemCallFilter='
    : 'boot a kernel with CONFIG_SECCOMP_FILTER';
}
