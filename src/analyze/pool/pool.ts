import { SHARE_ENV, Worker } from 'node:worker_threads';
import { UsageError } from '../../base/errors.ts';
import type { AnalysisTask, ObjectProgress, TaskResult } from './task.ts';
import type { WorkerMessage } from './worker.ts';

/** Milliseconds between two looks at the memory of the process. */
const LOOK_INTERVAL = 50;

/** How tasks are worked on. */
export interface PoolOptions {
  /** Threads at most. */
  readonly jobs: number;
  /** Milliseconds after which a task is given up; null for no bound. */
  readonly timeLimit: number | null;
  /** Bytes of the whole process past which what runs is given up; null for no bound. */
  readonly memoryLimit: number | null;
  /** Told of each object that is about to be read. */
  readonly progress?: (task: AnalysisTask, object: ObjectProgress) => void;
}

/** What a task came to. */
export type PoolOutcome =
  | { readonly result: TaskResult; readonly elapsed: number }
  | { readonly error: Error };

/** Works on tasks in threads; outcomes in the order of the tasks, each also told as soon as it is there. */
export async function runPool(
  tasks: readonly AnalysisTask[],
  options: PoolOptions,
  done: (index: number, outcome: PoolOutcome) => void = () => undefined,
): Promise<readonly PoolOutcome[]> {
  const outcomes: PoolOutcome[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    let worker: Worker | null = null;
    try {
      while (next < tasks.length) {
        const index = next++;
        worker ??= startWorker();
        const { outcome, isUsable } = await runOne(worker, tasks[index] as AnalysisTask, options);
        if (!isUsable) {
          await worker.terminate();
          worker = null;
        }
        outcomes[index] = outcome;
        done(index, outcome);
      }
    } finally {
      await worker?.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(options.jobs, tasks.length)) }, work));
  return outcomes;
}

function startWorker(): Worker {
  return new Worker(new URL('../bundle/analyzer.cjs', import.meta.url), {
    stdout: true,
    stderr: true,
    // Node aborts when it copies an environment that is not all UTF-8.
    env: SHARE_ENV,
  });
}

/** One task on a worker, which is of no further use when the task was given up or has killed it. */
async function runOne(
  worker: Worker,
  task: AnalysisTask,
  { timeLimit, memoryLimit, progress }: PoolOptions,
): Promise<{ readonly outcome: PoolOutcome; readonly isUsable: boolean }> {
  const began = performance.now();
  const { promise, resolve } = settled<{ readonly outcome: PoolOutcome; readonly isUsable: boolean }>();
  const giveUp = (reason: string): void =>
    resolve({ outcome: { error: new UsageError(`analyze: ${task.path}: ${reason}`) }, isUsable: false });
  const onMessage = (message: WorkerMessage): void => {
    if (message.kind === 'progress') progress?.(task, message.object);
    else if (message.kind === 'done') {
      resolve({ outcome: { result: message.result, elapsed: performance.now() - began }, isUsable: true });
    } else {
      const { message: text, isExpected } = message;
      resolve({ outcome: { error: isExpected ? new UsageError(text) : new Error(text) }, isUsable: true });
    }
  };
  const onError = (error: Error): void => resolve({ outcome: { error }, isUsable: false });
  worker.on('message', onMessage).on('error', onError);
  const timer =
    timeLimit === null ? null : setTimeout(() => giveUp('the time limit has passed (--timeout)'), timeLimit);
  const looker =
    memoryLimit === null
      ? null
      : setInterval(() => {
          if (process.memoryUsage.rss() > memoryLimit)
            giveUp('more memory is needed than allowed (--max-memory)');
        }, LOOK_INTERVAL);
  worker.postMessage(task);
  try {
    return await promise;
  } finally {
    if (timer !== null) clearTimeout(timer);
    if (looker !== null) clearInterval(looker);
    worker.off('message', onMessage).off('error', onError);
  }
}

/** Promise.withResolvers, which Node 20 has not got. */
function settled<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((take) => {
    resolve = take;
  });
  return { promise, resolve };
}
