import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { formatProcess } from '../profile/save.ts';
import { openLibc } from '../sys/libc.ts';
import type { TraceCommand, TraceRequest } from './backend.ts';
import { performTrace } from './perform.ts';
import type { WorkerInput, WorkerMessage } from './worker-input.ts';

// For the build, which uses this without a thread.
export { formatProcess, openLibc, performTrace };

if (parentPort !== null && workerData !== null) {
  const port = parentPort;
  const input = workerData as WorkerInput;
  // Loading libc takes a while: it is done while the main thread still reads the command line.
  const libc = openLibc();
  input.commands.postMessage('loaded');
  port.once('message', (request: TraceRequest) => {
    const steps = performTrace(libc, request, {
      eventLoop: null,
      progress: input.progress,
      receive: () => (receiveMessageOnPort(input.commands)?.message as TraceCommand | undefined) ?? null,
      send: (event) => port.postMessage(event satisfies WorkerMessage),
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
  });
}
