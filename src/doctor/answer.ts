import { errnoText } from '../abi/errno.ts';
import { signalName } from '../abi/signals.ts';
import type { Answer } from '../sys/probe-facts.ts';
import { supported, undetermined, unsupported, type Check, type Question } from './check.ts';

const UNTRIED = 'first do what the checks above say';

/** What an answer says, in words. */
export function describeAnswer(answer: Answer): string {
  switch (answer.kind) {
    case 'value':
      return String(answer.value);
    case 'error':
      return errnoText(answer.errno);
    case 'killed':
      return `killed by ${signalName(answer.signal) ?? `signal ${answer.signal}`}`;
    case 'timeout':
      return 'no answer';
    case 'untried':
      return `not tried: ${answer.reason}`;
  }
}

/** A check that stands or falls with one answer: any value is a yes, an error or a kill is a no. */
export function judgeAnswer(question: Question, answer: Answer, detail: string, advice: string): Check {
  switch (answer.kind) {
    case 'value':
      return supported(question, detail);
    case 'error':
    case 'killed':
      return unsupported(question, describeAnswer(answer), advice);
    case 'timeout':
      return undetermined(
        question,
        describeAnswer(answer),
        'run callgate doctor again when the machine is less busy',
      );
    case 'untried':
      return undetermined(question, describeAnswer(answer), UNTRIED);
  }
}

/** Whether an answer is this error. */
export function isError(answer: Answer, errno: number): boolean {
  return answer.kind === 'error' && answer.errno === errno;
}
