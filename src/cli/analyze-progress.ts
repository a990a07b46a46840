import { basename } from 'node:path';
import type { ObjectProgress } from '../analyze/pool/task.ts';
import { escapeText } from '../report/escape.ts';
import { writeToStderr } from './say.ts';

/** Where progress goes and what the time is. */
export interface ProgressOptions {
  /** Programs in all. */
  readonly total: number;
  readonly isQuiet: boolean;
  readonly isTerminal: boolean;
  readonly write?: (text: string) => void;
  /** Milliseconds from any beginning. */
  readonly now?: () => number;
}

/**
 * How far an analysis is: a line on the terminal that is drawn over itself; elsewhere one line, once, if it takes long or will, which says how to bound it.
 *
 * It is written from within the work, which leaves no time for timers.
 */
export class AnalyzeProgress {
  readonly #options: ProgressOptions;
  readonly #write: (text: string) => void;
  readonly #now: () => number;
  readonly #began: number;
  #last = 0;
  #done = 0;
  #isSaid = false;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#write = options.write ?? writeToStderr;
    this.#now = options.now ?? (() => performance.now());
    this.#began = this.#now();
  }

  /** One more program is done. */
  step(): void {
    this.#done++;
  }

  show(program: string, progress: ObjectProgress): void {
    const { isQuiet, isTerminal } = this.#options;
    if (isQuiet) return;
    if (isTerminal) this.#draw(program, progress.objects);
    else this.#say(program, progress);
  }

  clear(): void {
    if (this.#last > 0) this.#write(ERASE);
    this.#last = 0;
  }

  #draw(program: string, objects: number): void {
    const now = this.#now();
    if (now - this.#began < DRAWN_AFTER || now - this.#last < INTERVAL) return;
    this.#last = now;
    const { total } = this.#options;
    const programs = total > 1 ? `${this.#done} of ${total} programs, ` : '';
    this.#write(`${ERASE}callgate: ${programs}${escapeText(basename(program))}: object ${objects}`);
  }

  #say(program: string, { objects, path, size }: ObjectProgress): void {
    const isLong = this.#now() - this.#began >= SAID_AFTER || size >= LARGE;
    if (this.#isSaid || !isLong) return;
    this.#isSaid = true;
    const what = `object ${objects}, ${basename(path)} of ${Math.round(size / MEGABYTE)} MB`;
    this.#write(
      `callgate: ${escapeText(`${basename(program)}: reading ${what}`)} (--timeout bounds the time, --partial keeps what was read by then)\n`,
    );
  }
}

const ERASE = '\r\u001b[K';

/** Milliseconds before a terminal is drawn on, and between two drawings. */
const DRAWN_AFTER = 1000;
const INTERVAL = 100;

/** Milliseconds before a line is written elsewhere, and bytes of a file that takes longer than that. */
const SAID_AFTER = 10_000;
const LARGE = 64 * 2 ** 20;
const MEGABYTE = 1e6;
