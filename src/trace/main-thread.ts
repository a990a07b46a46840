import { formatProcess } from '../profile/save.ts';
import { rememberText } from '../profile/canonical.ts';
import { openEventLoop, type EventLoop } from '../sys/event-loop.ts';
import { mayHaveOtherChildren } from '../sys/children.ts';
import type { Libc } from '../sys/libc.ts';
import type { TraceCommand, TraceEvent, TraceRequest } from './backend.ts';
import { Doorbell } from './doorbell.ts';
import { performTrace } from './perform.ts';
import { PROGRESS_FIELDS, type TracingPlace } from './place.ts';

/** Longest time that Node's timers take, in milliseconds. */
const FOREVER = 2 ** 31 - 1;

/**
 * Traces on the main thread, which saves the time that a thread takes to come up. While the back end waits it also watches the
 * event loop, and gives way whenever that has something to do: signals and timers are served as they are without a trace.
 *
 * Only where nothing but callgate runs in the process, and where callgate starts no other children: the back end waits for every
 * child of its thread.
 */
export class MainThread implements TracingPlace {
  readonly progress: Float64Array = new Float64Array(PROGRESS_FIELDS);
  readonly #libc: Libc;
  readonly #loop: EventLoop;
  readonly #commands: TraceCommand[] = [];
  readonly #doorbell: Doorbell = new Doorbell();
  #over = false;

  private constructor(libc: Libc, loop: EventLoop) {
    this.#libc = libc;
    this.#loop = loop;
  }

  /** Null where it cannot be done: with this Node, or for children of somebody else's. */
  static open(libc: Libc): MainThread | null {
    if (mayHaveOtherChildren(libc)) return null;
    const loop = openEventLoop();
    return loop === null ? null : new MainThread(libc, loop);
  }

  begin(request: TraceRequest, onEvent: (event: TraceEvent) => void): void {
    const steps = performTrace(this.#libc, request, {
      eventLoop: this.#loop,
      progress: this.progress,
      receive: () => this.#commands.shift() ?? null,
      send: (event) => {
        if (event.kind === 'done' || event.kind === 'failed') {
          this.#over = true;
          this.#doorbell[Symbol.dispose]();
        }
        // Commands that came before there was a doorbell are waiting.
        if (this.#doorbell.note(event)) this.#doorbell.ring();
        onEvent(event);
      },
      batch: null,
      settle: (places, processes) => {
        for (const process of processes) rememberText(process, formatProcess(process));
        onEvent({ kind: 'settled', places, processes });
      },
    });
    // The loop is alive as long as the trace.
    const life = setInterval(() => undefined, FOREVER);
    const go = (): void => {
      // Until another one has been unreferenced, this immediate counts as work that the loop is not to sleep over.
      setImmediate(() => undefined).unref();
      if (steps.next().done === true) clearInterval(life);
      else setImmediate(go);
    };
    // What the caller has still to do comes first.
    setImmediate(go);
  }

  command(command: TraceCommand): void {
    if (this.#over) return;
    this.#commands.push(command);
    this.#doorbell.ring();
  }
}
