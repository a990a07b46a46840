import { chmodSync, lstatSync, readdirSync, rmSync } from 'node:fs';
import { createServer, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeDirectories } from '../base/directories.ts';
import { UsageError } from '../base/errors.ts';
import { escapeText } from '../report/escape.ts';
import type { RunningTrace } from '../trace/trace.ts';
import { say } from './say.ts';

/** Longest request that is read, in characters. */
const REQUEST_CAP = 4096;

/**
 * Directory of the control sockets: in XDG_RUNTIME_DIR, else in the directory for temporary files; mode 0700 and ours.
 *
 * @throws UsageError if somebody else has made it, or it cannot be made
 */
export function controlDirectory(): string {
  const runtime = process.env['XDG_RUNTIME_DIR'];
  const uid = process.getuid?.() ?? 0;
  const directory =
    runtime === undefined || runtime === '' ? join(tmpdir(), `callgate-${uid}`) : join(runtime, 'callgate');
  let problem = 'ENOENT';
  try {
    makeDirectories(directory, 0o700);
  } catch (error) {
    // Of what is there in its place it is said below what is wrong.
    problem = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  }
  const stat = lstatSync(directory, { throwIfNoEntry: false });
  if (stat === undefined) {
    const variable = runtime === undefined || runtime === '' ? 'TMPDIR' : 'XDG_RUNTIME_DIR';
    throw new UsageError(
      `control socket: cannot make ${escapeText(directory)}, ${problem} (${variable} is to name a directory to write to)`,
    );
  }
  if (!stat.isDirectory() || stat.uid !== uid || (stat.mode & 0o077) !== 0) {
    throw new UsageError(
      `control socket: ${escapeText(directory)} is not a directory of ours alone (mode 0700); remove it`,
    );
  }
  return directory;
}

/** Takes `callgate phase NAME` for a trace: a Unix socket of mode 0600 named after this process. */
export function openControlSocket(running: RunningTrace): Disposable {
  let path: string;
  try {
    path = join(controlDirectory(), `${process.pid}.sock`);
  } catch (error) {
    say(`warning: ${(error as Error).message}; callgate phase will not reach this trace`);
    return { [Symbol.dispose]: () => undefined };
  }
  rmSync(path, { force: true });
  // Who asks is done with writing long before there is an answer.
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    answer(running, socket);
  });
  server.on('error', (error) => {
    say(`warning: no control socket: ${error.message}`);
  });
  server.listen(path, () => chmodSync(path, 0o600));
  server.unref();
  return {
    [Symbol.dispose]: () => {
      server.close();
      // An answer that is under way still comes; who asks nothing is not waited for.
      for (const socket of open) socket.destroySoon();
      rmSync(path, { force: true });
    },
  };
}

/** What a running trace says to a request. */
export interface ControlReply {
  readonly ok: boolean;
  readonly message: string;
}

/**
 * Pids of the callgate processes that take control requests, ascending. Not by whether there is such a process: a pid is used again, and
 * is another one in another container. Sockets of traces that were killed are removed.
 */
export async function findSessions(): Promise<number[]> {
  const directory = controlDirectory();
  const pids = readdirSync(directory)
    .flatMap((name) => /^([0-9]+)\.sock$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
  const found: number[] = [];
  for (const pid of pids) if (await isListening(join(directory, `${pid}.sock`))) found.push(pid);
  return found;
}

async function isListening(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'ECONNREFUSED') sweep(path);
      // So many ask that there is no room to wait.
      resolve(code === 'EAGAIN');
    });
  });
}

/** Milliseconds after which a socket that refuses has been left behind: one that is being made has a name before it listens. */
const LEFT_BEHIND = 1000;

function sweep(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat !== undefined && Date.now() - stat.mtimeMs > LEFT_BEHIND) rmSync(path, { force: true });
}

/** Asks the trace of callgate process `pid` to enter a phase. @throws UsageError if it cannot be reached */
export async function requestPhase(pid: number, phase: string): Promise<ControlReply> {
  const path = join(controlDirectory(), `${pid}.sock`);
  return await new Promise((resolve, reject) => {
    const socket = connect(path);
    let text = '';
    socket.setEncoding('utf8');
    socket.on('connect', () => socket.end(`${JSON.stringify({ phase })}\n`));
    socket.on('data', (chunk: string) => (text += chunk));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') sweep(path);
      reject(new UsageError(`phase: no trace of callgate process ${pid} can be reached`, { cause: error }));
    });
    socket.on('close', () =>
      resolve(JSON.parse(text || '{"ok":false,"message":"no answer"}') as ControlReply),
    );
  });
}

function answer(running: RunningTrace, socket: Socket): void {
  let text = '';
  socket.setEncoding('utf8');
  socket.on('error', () => socket.destroy());
  socket.on('end', () => {
    if (!text.includes('\n')) socket.destroy();
  });
  socket.on('data', (chunk: string) => {
    text += chunk;
    if (text.length > REQUEST_CAP) socket.destroy();
    if (!text.includes('\n')) return;
    void obey(running, text).then((reply) => socket.end(JSON.stringify(reply)));
  });
}

async function obey(running: RunningTrace, text: string): Promise<ControlReply> {
  try {
    const { phase } = { ...(JSON.parse(text) as { phase?: unknown } | null) };
    const index = running.phases.findIndex(({ name }) => name === phase);
    if (index !== -1 && running.progress().phase > index) {
      return { ok: true, message: `phase ${String(phase)} has begun already` };
    }
    const isBegun = await running.enterPhase(String(phase));
    return isBegun
      ? { ok: true, message: `phase ${String(phase)} begins` }
      : { ok: false, message: `the trace ended before phase ${String(phase)} began` };
  } catch (error) {
    return { ok: false, message: (error as Error).message };
  }
}
