import { parentPort } from 'node:worker_threads';
import { CallgateError } from '../../base/errors.ts';
import { type AnalysisTask, type ObjectProgress, runTask, type TaskResult } from './task.ts';

/** What a worker says of its task. */
export type WorkerMessage =
  | { readonly kind: 'progress'; readonly object: ObjectProgress }
  | { readonly kind: 'done'; readonly result: TaskResult }
  /** `isExpected` tells an error that callgate throws on purpose from a fault. */
  | { readonly kind: 'failed'; readonly message: string; readonly isExpected: boolean };

parentPort?.on('message', (task: AnalysisTask) => {
  const say = (message: WorkerMessage): void => parentPort?.postMessage(message);
  try {
    say({ kind: 'done', result: runTask(task, (object) => say({ kind: 'progress', object })) });
  } catch (error) {
    const isExpected = error instanceof CallgateError;
    const message =
      error instanceof Error ? (isExpected ? error.message : (error.stack ?? error.message)) : String(error);
    say({ kind: 'failed', message, isExpected });
  }
});
