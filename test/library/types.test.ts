import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run, temporaryDirectory } from '../support/callgate.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const directory: ReturnType<typeof temporaryDirectory> = temporaryDirectory();

/** A program that uses the library as programs do; what is wrong in it has to be found. */
const PROGRAM = `
import {
  LaunchError, parsePolicy, spawn, startRun, startTrace, trace,
  type MethodChoice, type Policy, type Profile, type ScopeOptions, type TraceEvent, type TracingMethod,
} from 'callgate';

const policy: Policy = parsePolicy('');

spawn('ls', ['-l'], { policy }).stdout.on('data', () => undefined);
spawn('ls', { policy, cwd: '/' }).stdin.end();
const child = spawn('ls', { policy, stdio: ['ignore', 'pipe', 'inherit'] });
export const [stdin, stderr]: [null, null] = [child.stdin, child.stderr];
child.stdout.setEncoding('utf8');
// @ts-expect-error: it is null
child.stdin.end();
// @ts-expect-error: it may be null
spawn('ls', { policy, stdio: 'inherit' }).stdout.resume();
spawn('ls', { policy, stdio: ['pipe', 'pipe', 'pipe', 'ipc'] }).send('hello');
// @ts-expect-error: there is no shell
spawn('ls', { policy, shell: true });
// @ts-expect-error: there is no policy
spawn('ls', {});

const scope: ScopeOptions = { all: true };
const method: TracingMethod = 'ptrace';
const running = startTrace({ scope, method, onEvent: (event: TraceEvent) => event.kind });
export const choice: MethodChoice = running.choice;
// @ts-expect-error: there is no such option
startTrace({ command: ['ls'], enforcement: null });
// @ts-expect-error: only the tracing thread can use this event
startRun({ command: ['ls'], policy, onEvent: ({ kind }) => kind === 'doorbell' });

const error: LaunchError = new LaunchError('nothing', 126);
export const code: 126 | 127 = error.exitCode;
export const profile: Promise<Profile> = trace({ command: ['ls'] }).then((outcome) => outcome.profile);
`;

beforeAll(() => {
  for (const [name, type] of [
    ['module', 'module'],
    ['commonjs', 'commonjs'],
  ] as const) {
    const place = join(directory.path, name);
    mkdirSync(join(place, 'node_modules', '@types'), { recursive: true });
    symlinkSync(ROOT, join(place, 'node_modules', 'callgate'));
    for (const types of ['@types/node', 'undici-types'])
      symlinkSync(join(ROOT, 'node_modules', types), join(place, 'node_modules', types));
    writeFileSync(join(place, 'package.json'), JSON.stringify({ type }));
    writeFileSync(join(place, 'program.ts'), PROGRAM);
  }
});

afterAll(() => directory[Symbol.dispose]());

describe('the types of the library', () => {
  it.each<{
    type: 'module' | 'commonjs';
    module: string;
    resolution: string;
    target: string;
    types: readonly string[];
  }>([
    { type: 'module', module: 'nodenext', resolution: 'nodenext', target: 'es2022', types: ['node'] },
    { type: 'module', module: 'node16', resolution: 'node16', target: 'es2022', types: ['node'] },
    { type: 'module', module: 'preserve', resolution: 'bundler', target: 'es2022', types: ['node'] },
    { type: 'module', module: 'nodenext', resolution: 'nodenext', target: 'es2020', types: ['node'] },
    { type: 'commonjs', module: 'nodenext', resolution: 'nodenext', target: 'es2022', types: ['node'] },
    { type: 'commonjs', module: 'node16', resolution: 'node16', target: 'es2022', types: ['node'] },
    { type: 'commonjs', module: 'node16', resolution: 'node16', target: 'es2020', types: ['node'] },
    // The default of TypeScript 7.
    { type: 'module', module: 'nodenext', resolution: 'nodenext', target: 'es2022', types: [] },
    { type: 'commonjs', module: 'nodenext', resolution: 'nodenext', target: 'es2022', types: [] },
  ])(
    'are right for a program of type $type with module $module, lib $target and types $types',
    ({ type, module, resolution, target, types }) => {
      const place = join(directory.path, type);
      const compilerOptions = {
        strict: true,
        skipLibCheck: false,
        noEmit: true,
        types,
        module,
        moduleResolution: resolution,
        target,
        lib: [target],
      };
      writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.ts'] }));
      const { status, stdout } = run(join(ROOT, 'node_modules', '.bin', 'tsc'), ['-p', place]);
      expect([stdout, status]).toEqual(['', 0]);
    },
  );
});

describe("require('callgate')", () => {
  it('gives what import gives', () => {
    const file = join(directory.path, 'commonjs', 'program.cjs');
    writeFileSync(
      file,
      `const required = require('callgate');
import('callgate').then((imported) => console.log(required.trace === imported.trace));`,
    );
    const { stdout, status } = run(process.execPath, [file]);
    expect([stdout, status]).toEqual(['true\n', 0]);
  });
});
