import { isMainThread, MessageChannel, SHARE_ENV, Worker, type MessagePort } from 'node:worker_threads';
import { rememberText } from '../profile/canonical.ts';
import type { Process } from '../profile/model.ts';
import { muteStops } from '../sys/stop-notices.ts';
import type { FailureReport, TraceCommand, TraceEvent, TraceRequest } from './backend.ts';
import { Doorbell } from './doorbell.ts';
import { endWithProcess, endedByItself, type Unfinished } from './end-of-process.ts';
import { PROGRESS_FIELDS, type TracingPlace } from './place.ts';
import { SharedDoorbell } from './shared-doorbell.ts';
import type { WorkerInput, WorkerMessage } from './worker-input.ts';

/**
 * The thread on which tracing happens, started before it is known what is to be traced: it needs as long to come
 * up as reading a command line takes.
 *
 * It keeps the process alive until it has loaded libc, for Node aborts if a thread is ended meanwhile, and again once it has been
 * given a request. It is blocked in the kernel most of the time: a command is put into its port, and the doorbell is rung.
 *
 * Node waits for its threads as the process ends, and would for this one until nothing is traced any more: what it started is killed then, and
 * what it attached to let go of.
 */
export class TracingThread implements TracingPlace {
  readonly progress: Float64Array;
  readonly #worker: Worker;
  readonly #commands: MessagePort;
  readonly #ownsProcess: boolean;
  readonly #doorbell: Doorbell = new Doorbell();
  readonly #sharedDoorbell: SharedDoorbell = new SharedDoorbell();
  #over = false;

  /** `ownsProcess` says that nothing else runs in this process, so that nobody changes what the trace has told. */
  constructor(ownsProcess = false) {
    this.#ownsProcess = ownsProcess;
    const { port1, port2 } = new MessageChannel();
    this.#commands = port1;
    // The worker says once that it has loaded all.
    port1.once('message', () => port1.unref());
    this.progress = new Float64Array(new SharedArrayBuffer(PROGRESS_FIELDS * 8));
    const input: WorkerInput = {
      commands: port2,
      progress: this.progress,
      doorbell: this.#sharedDoorbell.word,
      isFromWorker: !isMainThread,
    };
    this.#worker = new Worker(new URL('../bundle/worker.cjs', import.meta.url), {
      workerData: input,
      transferList: [port2],
      // Node aborts when it copies an environment that is not all UTF-8.
      env: SHARE_ENV,
      // Descriptors come from libc as well as from Node, and each has its owner here.
      trackUnmanagedFds: false,
      // Otherwise Node opens its own stdout and stderr for the thread to write to, which makes a pipe or a socket
      // there non-blocking: for the traced program as well, whose writes would then fail with EAGAIN.
      stdout: true,
      stderr: true,
    });
    this.#worker.unref();
  }

  begin(request: TraceRequest, onEvent: (event: TraceEvent) => void): void {
    const { target } = request;
    const rest: Unfinished = {
      leave: () => {
        this.#commands.postMessage({
          kind: target.kind === 'launch' ? 'kill' : 'detach',
        } satisfies TraceCommand);
        this.#sharedDoorbell.ring();
      },
      awaitEnd: (deadline) => this.#sharedDoorbell.ringUntilOver(deadline),
    };
    endWithProcess(rest);
    let mute = request.method === 'ebpf' ? null : muteStops();
    const end = (event: TraceEvent): void => {
      if (this.#over) return;
      this.#over = true;
      endedByItself(rest);
      mute?.[Symbol.dispose]();
      this.#doorbell[Symbol.dispose]();
      this.#commands.close();
      onEvent(event);
    };
    this.#worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'done' || message.kind === 'failed') {
        end(message);
      } else if (message.kind === 'settled-text') {
        onEvent({
          kind: 'settled',
          places: message.places,
          processes: message.texts.map((text) => this.#process(text)),
        });
      } else {
        if (message.kind === 'fallback') mute ??= muteStops();
        // Commands that came before there was a doorbell are in the port.
        if (this.#doorbell.note(message)) this.#doorbell.ring();
        onEvent(message);
      }
    });
    this.#worker.on('error', (error) => end(crashed(error)));
    this.#worker.on('exit', () => end(crashed(new Error('the tracing thread ended without a result'))));
    this.#worker.ref();
    this.#worker.postMessage(request);
  }

  command(command: TraceCommand): void {
    if (this.#over) return;
    this.#commands.postMessage(command);
    this.#doorbell.ring();
  }

  #process(text: string): Process {
    const process = JSON.parse(text) as Process;
    // Whoever uses the library may change what it gets.
    if (this.#ownsProcess) rememberText(process, text);
    return process;
  }
}

function crashed({ name, message }: Error): TraceEvent {
  const error: FailureReport = { name, message, errno: null, exitCode: null };
  return { kind: 'failed', error, recording: null, startedAt: Date.now(), duration: 0 };
}
