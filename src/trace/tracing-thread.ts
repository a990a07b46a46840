import { MessageChannel, SHARE_ENV, Worker, type MessagePort } from 'node:worker_threads';
import type { TraceRequest } from './backend.ts';
import { PROGRESS_FIELDS, type WorkerInput } from './worker-input.ts';

/**
 * The thread on which tracing happens, started before it is known what is to be traced: it needs as long to come
 * up as reading a command line takes.
 *
 * It keeps the process alive until it has loaded libc, for Node aborts if a thread is ended meanwhile, and again once it has been
 * given a request.
 */
export class TracingThread {
  readonly worker: Worker;
  readonly commands: MessagePort;
  readonly progress: Float64Array;
  /** Whether nothing else runs in this process. */
  readonly ownsProcess: boolean;

  /** `ownsProcess` says that nothing else runs in this process, so that all of it may be made to wait. */
  constructor(ownsProcess = false) {
    this.ownsProcess = ownsProcess;
    const { port1, port2 } = new MessageChannel();
    this.commands = port1;
    // The worker says once that it has loaded all.
    port1.once('message', () => port1.unref());
    this.progress = new Float64Array(new SharedArrayBuffer(PROGRESS_FIELDS * 8));
    const input: WorkerInput = { commands: port2, progress: this.progress, ownsProcess };
    this.worker = new Worker(new URL('../bundle/worker.cjs', import.meta.url), {
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
    this.worker.unref();
  }

  begin(request: TraceRequest): void {
    this.worker.ref();
    this.worker.postMessage(request);
  }
}
