import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { formatProcess } from '../profile/save.ts';
import type { EventLoop } from '../sys/event-loop.ts';
import { openLibc } from '../sys/libc.ts';
import type { TraceCommand, TraceRequest } from './backend.ts';
import { performTrace } from './perform.ts';
import { SharedDoorbell } from './shared-doorbell.ts';
import type { WorkerInput, WorkerMessage } from './worker-input.ts';

// For the build, which uses this without a thread.
export { formatProcess, openLibc, performTrace };

/**
 * What takes a turn twice a second, and does nothing with it: a thread that Node wants to end does so only where it runs JavaScript. A worker that
 * is terminated, and waits for this thread, can tell it nothing.
 */
const PULSE: EventLoop = { descriptor: -1, timeout: () => 500 };

if (parentPort !== null && workerData !== null) {
  const port = parentPort;
  const input = workerData as WorkerInput;
  // Loading libc takes a while: it is done while the main thread still reads the command line.
  const libc = openLibc();
  input.commands.postMessage('loaded');
  port.once('message', (request: TraceRequest) => {
    const doorbell = new SharedDoorbell(input.doorbell);
    const steps = performTrace(libc, request, {
      eventLoop: input.isFromWorker ? PULSE : null,
      progress: input.progress,
      receive: () => (receiveMessageOnPort(input.commands)?.message as TraceCommand | undefined) ?? null,
      send: (event) => {
        doorbell.note(event);
        port.postMessage(event satisfies WorkerMessage);
      },
      // The main thread reads one part while this one makes the next.
      batch: 64,
      settle: (places, processes) => {
        const texts = processes.map((process) => formatProcess(process));
        port.postMessage({ kind: 'settled-text', places, texts } satisfies WorkerMessage);
      },
    });
    while (steps.next().done !== true) {
      // Nothing else happens on this thread.
    }
    doorbell.end();
  });
}
