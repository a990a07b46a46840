/**
 * Base of every error that callgate throws on purpose.
 *
 * `code` is stable and meant for programs; the message is for people and has the
 * form `context: what, which value (limit)`, lower case, without a full stop.
 */
export abstract class CallgateError extends Error {
  abstract readonly code: string;

  // Not by its name, ErrorOptions, which a program that uses this may have no library of types for.
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Bytes or text that are not what their format demands; `offset` is in bytes from the start of the input. */
export class FormatError extends CallgateError {
  readonly code = 'ERR_FORMAT';
  readonly offset: number | undefined;
  readonly value: unknown;

  constructor(message: string, details: { offset?: number; value?: unknown; cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.offset = details.offset;
    this.value = details.value;
  }
}

/** A system call made by callgate itself failed; `request` names it, `errno` is the positive error number. */
export class SystemCallError extends CallgateError {
  readonly code = 'ERR_SYSTEM_CALL';
  readonly request: string;
  readonly errno: number;
  readonly tid: number | undefined;

  constructor(message: string, details: { request: string; errno: number; tid?: number }) {
    super(message);
    this.request = details.request;
    this.errno = details.errno;
    this.tid = details.tid;
  }
}

/** The kernel, the architecture or the privilege at hand cannot do what was asked. */
export class UnsupportedError extends CallgateError {
  readonly code = 'ERR_UNSUPPORTED';
  readonly feature: string;
  readonly minimumKernel: string | undefined;

  constructor(message: string, details: { feature: string; minimumKernel?: string; cause?: unknown }) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.feature = details.feature;
    this.minimumKernel = details.minimumKernel;
  }
}

/** One thing that is wrong in a document: `path` is a JSON pointer such as `/processes/3/calls/0/nr`. */
export interface Problem {
  readonly path: string;
  readonly message: string;
}

/** A profile or another callgate document is malformed; every problem found is listed. */
export class DocumentError extends CallgateError {
  readonly code = 'ERR_DOCUMENT';
  readonly problems: readonly Problem[];

  constructor(message: string, problems: readonly Problem[]) {
    super(message);
    this.problems = problems;
  }
}

/** The caller asked for something that makes no sense: an unknown option value, trigger, phase or name. */
export class UsageError extends CallgateError {
  readonly code = 'ERR_USAGE';
}

/** The caller's AbortSignal has ended it; `cause` is the signal's reason. Name and code are those of Node's own. */
export class AbortError extends CallgateError {
  readonly code = 'ABORT_ERR';

  constructor(signal: { readonly reason: unknown }) {
    super('the operation was aborted', { cause: signal.reason });
  }
}

/** The program that was to be started cannot be run; `exitCode` is 127 (not found) or 126 (cannot be executed), as in POSIX env(1). */
export class LaunchError extends CallgateError {
  readonly code = 'ERR_LAUNCH';
  readonly exitCode: 126 | 127;

  constructor(message: string, exitCode: 126 | 127) {
    super(message);
    this.exitCode = exitCode;
  }
}
