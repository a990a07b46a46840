import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { samplePolicy } from '../../src/export/testing/sample-policy.ts';
import { formatPolicyYaml } from '../../src/policy/save.ts';
import { formatProfile } from '../../src/profile/save.ts';
import { sampleProfile } from '../../src/profile/testing/sample-profile.ts';
import { CALLGATE, callgate, run, temporaryDirectory } from '../support/callgate.ts';
import { compile } from '../support/compile.ts';
import { sharedCallgate } from '../support/shared-callgate.ts';

const FILES: Readonly<Record<string, string>> = {
  'p.json': formatProfile(
    sampleProfile([{ pid: 1, program: '/usr/bin/a', end: 9, calls: { execve: [0, 0], read: [1, 2] } }]),
  ),
  'a.yaml': formatPolicyYaml(samplePolicy({ phases: { setup: ['execve', 'read'] } })),
  'names.txt': 'read\nwrite\n',
};

let directory: ReturnType<typeof temporaryDirectory>;
let temporary: ReturnType<typeof temporaryDirectory>;
let options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv };

beforeEach(() => {
  directory = temporaryDirectory();
  temporary = temporaryDirectory();
  options = { cwd: directory.path, env: { ...process.env, TMPDIR: temporary.path } };
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(directory.path, name), text);
  symlinkSync('p.json', join(directory.path, 'link.json'));
  linkSync(join(directory.path, 'a.yaml'), join(directory.path, 'hard.yaml'));
});

afterEach(() => {
  directory[Symbol.dispose]();
  temporary[Symbol.dispose]();
});

describe('a result that cannot be written after all', () => {
  it.each([
    ['policy', 'p.json'],
    ['export', 'a.yaml', '-f', 'oci'],
    ['report', 'p.json'],
    ['merge', 'p.json', 'p.json'],
    ['import', 'names.txt'],
    ['compare', 'p.json', 'a.yaml'],
    ['phases', 'p.json', '--at', 'syscall:read'],
    ['analyze', '--no-cache', '/usr/bin/true'],
  ])('%s %s says so, and nothing of it is anywhere else', (...args) => {
    const { status, stdout, stderr } = callgate([...args, '-o', '/dev/full'], options);
    expect(stderr).toBe('callgate: output: cannot write /dev/full: ENOSPC: no space left on device, write\n');
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(readdirSync(temporary.path)).toEqual([]);
  });

  it('is in the directory for temporary files if it is of a program that has run', () => {
    using rescued = temporaryDirectory();
    const { status, stderr } = callgate(['trace', '-q', '-o', '/dev/full', '--', 'sh', '-c', 'exit 3'], {
      env: { ...process.env, TMPDIR: rescued.path },
    });
    const [name] = readdirSync(rescued.path);
    expect(stderr).toBe(
      `callgate: warning: /dev/full could not be written, ENOSPC; the profile is in ${rescued.path}/${name}\n`,
    );
    expect(status).toBe(3);
  });

  it('is never said to be where it is not, of what --learn has found', () => {
    mkdirSync(join(directory.path, 'own'));
    writeFileSync(join(directory.path, 'own', 'mine.yaml'), FILES['a.yaml']!);
    const program = ['sh', '-c', 'mv own gone'];
    const { status, stderr } = callgate(
      ['run', '--policy', 'own/mine.yaml', '--learn', '--', ...program],
      options,
    );
    const [name] = readdirSync(temporary.path);
    expect(stderr).toContain(
      `callgate: warning: own/mine.yaml could not be extended, ENOENT; the extended policy is in ${temporary.path}/${name}\n`,
    );
    expect(stderr).not.toContain('has been extended');
    expect(status).toBe(1);
    expect(readFileSync(join(temporary.path, name ?? ''), 'utf8')).toContain('learned from an audit');
  });

  it('is told before the program starts if --learn could not write it, with what to do', () => {
    chmodSync(directory.path, 0o555);
    const { status, stdout, stderr } = run(
      'setpriv',
      ['--reuid=65534', '--regid=65534', '--clear-groups', sharedCallgate()].concat([
        'run',
        '--policy',
        'a.yaml',
        '--learn',
        '--',
        'echo',
        'ran',
      ]),
      options,
    );
    expect(stderr).toMatch(
      /^callgate: output: cannot write a\.yaml: EACCES: .* \(--learn extends it; give a copy with --policy\)\n$/,
    );
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });

  it('is told by the name that was asked for, not that of a file that was to take its place', () => {
    chmodSync(directory.path, 0o555);
    const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', sharedCallgate()];
    const command = ['trace', '-o', 'x.json', '--', 'echo', 'ran'];
    const { status, stdout, stderr } = run('setpriv', [...nobody, ...command], options);
    expect(stderr).toBe(
      'callgate: output: cannot write x.json: EACCES: permission denied (choose another file with -o)\n',
    );
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });

  it('is told with its name on one line', () => {
    const { status, stderr } = callgate(['policy', 'p.json', '-o', 'a\nb/c'], options);
    expect(stderr).toMatch(/^callgate: output: cannot write a\\nb\/c: ENOENT: .* with -o\)\n$/);
    expect({ status, lines: stderr.split('\n').length }).toEqual({ status: 2, lines: 2 });
  });
});

describe('an option without its value', () => {
  it.each([
    { args: ['trace', '-o', '--', 'true'], want: 'trace: -o needs a file' },
    { args: ['trace', '--phase', '--', 'true'], want: 'trace: --phase needs a name@trigger' },
    { args: ['run', '--policy', 'a.yaml', '--report', '--', 'true'], want: 'run: --report needs a file' },
    { args: ['run', '--policy', '--', 'true'], want: 'run: --policy needs a file' },
    { args: ['analyze', '-o', '--', '/usr/bin/true'], want: 'analyze: -o needs a path' },
    { args: ['policy', '-o', '--', 'p.json'], want: 'policy: -o needs a file' },
  ])('does not take -- for it: $args', ({ args, want }) => {
    const before = readdirSync(directory.path);
    const { status, stderr } = callgate(args, options);
    expect(stderr).toBe(`callgate: ${want}, and -- ends the options\n`);
    expect(status).toBe(2);
    expect(readdirSync(directory.path)).toEqual(before);
  });
});

describe('a result that would take the place of an input', () => {
  it.each([
    { args: ['report', 'a.yaml', 'p.json', '-o', 'p.json'], output: 'p.json' },
    { args: ['export', 'a.yaml', '-f', 'systemd', '-o', 'a.yaml'], output: 'a.yaml' },
    { args: ['export', 'a.yaml', '-f', 'systemd', '-o', 'hard.yaml'], output: 'hard.yaml' },
    { args: ['policy', 'p.json', '-o', './link.json'], output: './link.json' },
    { args: ['compare', 'x=p.json', '-r', 'a.yaml', '-o', 'a.yaml'], output: 'a.yaml' },
    { args: ['compare', 'x=p.json', 'a.yaml', '-o', 'p.json'], output: 'p.json' },
    { args: ['import', 'names.txt', '-o', 'names.txt'], output: 'names.txt' },
    {
      args: ['run', '--policy', 'a.yaml', '--report', 'a.yaml', '--', 'true'],
      output: 'a.yaml',
      option: '--report',
    },
  ])('$args is refused', ({ args, output, option = '-o' }) => {
    const { status, stdout, stderr } = callgate(args, options);
    expect(stderr).toBe(
      `callgate: output: ${output} is an input, and would be lost (choose another file with ${option})\n`,
    );
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    for (const [name, text] of Object.entries(FILES)) {
      expect(readFileSync(join(directory.path, name), 'utf8')).toBe(text);
    }
  });

  it('is refused if the input comes by stdin, and if it is a program', () => {
    const script = '"$0" import - -o names.txt <names.txt';
    expect(run('sh', ['-c', script, CALLGATE], options)).toMatchObject({ status: 2, stdout: '' });
    expect(readFileSync(join(directory.path, 'names.txt'), 'utf8')).toBe(FILES['names.txt']);
    const program = compile('int main(void) { return 0; }\n');
    const before = readFileSync(program);
    expect(callgate(['analyze', program, '-o', program], options).status).toBe(2);
    expect(callgate(['trace', '-o', program, '--', program], options).status).toBe(2);
    expect(readFileSync(program)).toEqual(before);
  });

  describe('that is a program', () => {
    const script = '#!/usr/bin/env -S -i inner\n';
    let bin: string;
    let environment: NodeJS.ProcessEnv;

    beforeEach(() => {
      bin = join(directory.path, 'bin');
      mkdirSync(bin);
      copyFileSync('/usr/bin/true', join(bin, 'inner'));
      symlinkSync('inner', join(bin, 'linked'));
      writeFileSync(join(bin, 'outer'), script, { mode: 0o755 });
      environment = { ...options.env, PATH: `${bin}:${process.env['PATH']}` };
    });

    const expectRefused = (args: readonly string[], option: string): void => {
      const finished = callgate(args, { ...options, env: environment });
      expect(finished.stderr).toMatch(
        new RegExp(
          `^callgate: output: \\S+ is an input, and would be lost \\(choose another file with ${option}\\)\n$`,
        ),
      );
      expect(finished.status).toBe(2);
      expect(readFileSync(join(bin, 'inner'))).toEqual(readFileSync('/usr/bin/true'));
      expect(readFileSync(join(bin, 'outer'), 'utf8')).toBe(script);
    };

    it.each([
      { name: 'inner', output: 'bin/inner' },
      { name: 'linked', output: 'bin/inner' },
      { name: 'bin/linked', output: 'bin/inner' },
      { name: 'outer', output: 'bin/outer' },
      { name: 'outer', output: 'bin/inner' },
    ])('is refused where the command is $name and the result $output', ({ name, output }) => {
      expectRefused(['trace', '-o', output, '--', name], '-o');
      const rehearsal = ['run', '--policy', 'a.yaml', '--audit'];
      expectRefused([...rehearsal, '--report', output, '--', name], '--report');
    });

    it('is refused where a process is attached to', async () => {
      copyFileSync('/usr/bin/sleep', join(bin, 'napper'));
      const before = readFileSync(join(bin, 'napper'));
      const child = spawn(join(bin, 'napper'), ['60'], { stdio: 'ignore' });
      try {
        await new Promise((resolve) => child.once('spawn', resolve));
        const finished = callgate(['trace', '-o', 'bin/napper', '--pid', `${child.pid}`], options);
        expect(finished.stderr).toContain('bin/napper is an input');
      } finally {
        child.kill('SIGKILL');
      }
      expect(readFileSync(join(bin, 'napper'))).toEqual(before);
    });

    it('is refused by an analysis: below another root, an interpreter, a library, the graph', () => {
      const root = ['--no-cache', '--root', directory.path];
      expectRefused(['analyze', ...root, '/bin/inner', '-o', 'bin/inner'], '-o');
      expectRefused(['analyze', '--no-cache', 'bin/outer', '-o', 'bin/inner'], '-o');
      const library = ['--dlopen', './bin/inner'];
      expectRefused(['analyze', '--no-cache', ...library, '/usr/bin/true', '-o', 'bin/inner'], '-o');
      symlinkSync('inner', join(bin, 'graph.dot'));
      expectRefused(['analyze', '--no-cache', 'bin/inner', '--graph', 'bin/graph.dot'], '--graph');
    });
  });

  it('is meant where the command gives the same document with more in it', () => {
    const file = join(directory.path, 'merged.json');
    writeFileSync(file, FILES['p.json']!);
    expect(callgate(['merge', file, 'p.json', '-o', file], options).status).toBe(0);
    expect(callgate(['phases', file, '--at', 'syscall:read', '-o', file], options).status).toBe(0);
    expect(readFileSync(file, 'utf8')).toContain('"syscall:read"');
  });

  it('is no matter where nothing is replaced', () => {
    const script = '"$0" import - -o /dev/stdout </dev/null; "$0" import names.txt -o /dev/null </dev/null';
    const { stderr } = run('sh', ['-c', script, CALLGATE], options);
    expect(stderr).toBe('callgate: stdin: it is empty\ncallgate: read as names, wrote a profile\n');
  });
});

describe('a named pipe as result', () => {
  const pipe = (name: string): string => {
    const path = join(directory.path, name);
    const { status } = spawnSync('mkfifo', [path]);
    expect(status).toBe(0);
    return path;
  };

  it.each([
    ['trace', '-o', 'PIPE', '--', 'echo', 'ran'],
    ['policy', 'p.json', '-o', 'PIPE'],
    ['run', '--policy', 'a.yaml', '--audit', '--report', 'PIPE', '--', 'echo', 'ran'],
  ])('without a reader is refused at once: %s', (...args) => {
    const path = pipe(`${args[0]}-alone`);
    const words = args.map((word) => (word === 'PIPE' ? path : word));
    // A command that waits for a reader may not handle other signals.
    const { status, stdout, stderr } = run('timeout', ['-s', 'KILL', '20', CALLGATE, ...words], options);
    expect(stderr).toBe(`callgate: output: ${path} is a pipe that nobody reads (start its reader first)\n`);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });

  it('takes what is larger than a pipe holds, as fast as its reader', () => {
    const script =
      '(sleep 0.5; cat) <"$1" >page.html & sleep 0.2; "$0" report p.json -o "$1"; echo $?; wait $!';
    const { stdout, stderr } = run('sh', ['-c', script, CALLGATE, pipe('read')], options);
    expect({ stdout, stderr }).toEqual({ stdout: '0\n', stderr: '' });
    const page = readFileSync(join(directory.path, 'page.html'), 'utf8');
    expect(page.length).toBeGreaterThan(100_000);
    expect(page.trimEnd().endsWith('</html>')).toBe(true);
  });

  it('that its reader has left loses nothing of a trace', () => {
    using rescued = temporaryDirectory();
    const path = pipe('left');
    const script = 'head -c 0 <"$1" & sleep 0.2; exec "$0" trace -q -o "$1" -- sleep 0.5';
    const { status, stderr } = run('sh', ['-c', script, CALLGATE, path], {
      env: { ...process.env, TMPDIR: rescued.path },
    });
    const [name] = readdirSync(rescued.path);
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: `callgate: warning: ${path} could not be written, EPIPE; the profile is in ${rescued.path}/${name}\n`,
    });
  });
});
