import type { EbpfCode } from './assembler.ts';
import { CONTROL, SIGNAL_EVENT } from './layout.ts';
import { ProgramAssembler, RB_FORCE_WAKEUP, type ProgramOptions } from './program.ts';

/** Signals that a terminal sends: SIGINT, SIGQUIT, SIGTSTP. */
const TERMINAL_SIGNALS = [2, 3, 20] as const;

/** The siginfo pointer of a signal that the kernel sends of its own accord; source: include/linux/sched/signal.h. */
const SEND_SIG_PRIV = 1;

const AT = { now: -8, event: -8 - SIGNAL_EVENT.size } as const;

/**
 * The program at raw tracepoint signal_generate: tells that the terminal has sent a signal to the program, so that callgate, which
 * got the same one, does not pass it on a second time.
 */
export function assembleSignal(options: ProgramOptions): EbpfCode {
  const code = new ProgramAssembler(options.fields);
  code.load('r6', 'r1', 0, 8);
  for (const signal of TERMINAL_SIGNALS) code.jumpIf32('eq', 'r6', signal, 'terminal');
  code.jump('end').label('terminal').load('r2', 'r1', 8, 8).jumpIf('ne', 'r2', SEND_SIG_PRIV, 'end');
  code.load('r7', 'r1', 16, 8).load('r2', 'r7', code.fields.taskTgid, 4);
  code.mapValue('r3', 'control', CONTROL.root).load('r3', 'r3', 0, 4).jumpIf('ne', 'r2', 'r3', 'end');
  code
    .call('ktime_get_ns')
    .store('r10', AT.now, 'r0', 8)
    .mov('r2', 0)
    .beginEvent(AT.event, 'signal', 'r2', AT.now);
  code
    .store('r10', AT.event + SIGNAL_EVENT.signal, 'r6', 4)
    .store('r10', AT.event + SIGNAL_EVENT.signal + 4, 0, 4);
  code.send(AT.event, SIGNAL_EVENT.size, RB_FORCE_WAKEUP);
  return code.finish();
}
