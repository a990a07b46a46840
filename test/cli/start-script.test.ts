import { copyFileSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CALLGATE, run, temporaryDirectory } from '../support/callgate.ts';

describe('the script that starts callgate', () => {
  it('says in a checkout that is not built what to do', () => {
    using directory = temporaryDirectory();
    mkdirSync(join(directory.path, 'bin'));
    const script = join(directory.path, 'bin', 'callgate');
    copyFileSync(CALLGATE, script);
    for (const command of ['trace', 'analyze', '--help']) {
      const { status, stdout, stderr } = run(script, [command]);
      expect(stderr).toBe(
        `callgate: not built (npm install && npm run build, in ${directory.path}/bin/..)\n`,
      );
      expect([status, stdout]).toEqual([2, '']);
    }
  });

  it('says so where there is no Node', () => {
    using directory = temporaryDirectory();
    // A directory of that name is none, and a pattern stands for itself.
    mkdirSync(join(directory.path, 'node'));
    const env = { ...process.env, PATH: `${directory.path}:/usr/*` };
    const { status, stdout, stderr } = run(CALLGATE, ['--version'], { env });
    expect(stderr).toBe('callgate: Node was not found in PATH (install it, or add its directory)\n');
    expect([status, stdout]).toEqual([2, '']);
  });

  it('finds Node where the shell does, also in the directory where it is for an empty one', () => {
    using directory = temporaryDirectory();
    symlinkSync(process.execPath, join(directory.path, 'node'));
    for (const path of ['/nowhere:', ':/nowhere']) {
      const options = { cwd: directory.path, env: { ...process.env, PATH: path } };
      expect(run('/bin/bash', ['-p', CALLGATE, '--version'], options)).toMatchObject({
        status: 0,
        stderr: '',
      });
    }
  });
});
