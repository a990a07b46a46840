import { chmodSync, chownSync, copyFileSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readProfile, run, temporaryDirectory, type Finished } from '../support/callgate.ts';
import { sharedCallgate } from '../support/shared-callgate.ts';
import { compile } from '../support/compile.ts';

const NOBODY = 65534;
const AS_NOBODY = `setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups`;

let victim = '';
let callgate = '';

beforeAll(() => {
  callgate = sharedCallgate();
  victim = compile(readFileSync(new URL('fixtures/inherit.c', import.meta.url), 'utf8'));
  // Other users execute it as well.
  chmodSync(dirname(victim), 0o755);
});

/** Shell commands in which CMD stands for the victim, directly or under callgate. */
const CIRCUMSTANCES: Readonly<Record<string, string>> = {
  'from a shell': 'CMD',
  'with arguments': `CMD one 'two words' '' '*' -- --quiet -o x`,
  'with arguments that are empty or not UTF-8': 'VICTIM launch argv CMD',
  'with an environment that no shell could make': 'VICTIM launch env CMD',
  'with an empty environment': 'env -i CMD',
  'with PWD unset': 'unset PWD; CMD',
  'with a PWD that is another directory': 'env PWD=/usr CMD',
  'under nohup': 'nohup CMD',
  'with an ignored SIGINT': `trap '' INT; CMD`,
  'with many ignored signals': `trap '' HUP PIPE CHLD USR1 TERM WINCH; CMD`,
  'with ignored signals that shells treat in their own way': 'VICTIM launch ignore CMD',
  'with blocked signals': 'VICTIM launch mask CMD',
  'with a limit of open files': 'ulimit -n 256; CMD',
  'with a soft limit of open files only': 'ulimit -Sn 100; CMD',
  'without core files': 'ulimit -c 0; CMD',
  'with a stack limit': 'ulimit -Ss 4096; CMD',
  'with a umask': 'umask 077; CMD',
  'with standard input closed': 'CMD <&-',
  'with standard error closed': 'CMD 2>&-',
  'with standard input from a file': 'CMD </etc/passwd',
  'with a further descriptor': 'CMD 5</etc/passwd 7>>/dev/null',
  'with a lower priority': 'nice -n 5 CMD',
  'on one processor': 'taskset -c 0 CMD',
  'with another personality': 'setarch -R CMD',
  'with no_new_privs': 'setpriv --no-new-privs CMD',
  'in another directory': 'cd /usr/share; CMD',
  'in the background': 'CMD & wait $!',
};

describe('what a program inherits', () => {
  it.each(Object.entries(CIRCUMSTANCES))('is what it would be without callgate: %s', (_, shell) => {
    const { alone, traced } = both(shell);
    expect(alone.length).toBeGreaterThan(100);
    expect(traced).toEqual(alone);
  });

  it.each(['-q', '--no-progress', ''])(
    'is a pipe that blocks when it is full, so that nothing of a long output is lost: %s',
    (option) => {
      using directory = sharedDirectory();
      const trace = `${callgate} trace ${option} -o ${directory.path}/profile -- sh -c`;
      const { stdout } = shellRun(
        `{ ${trace} 'seq 100000; seq 100000 >&2' 2>&3 | { sleep 0.5; wc -l; }; } 3>&1 | { sleep 0.5; grep -c '^[0-9]*$'; }`,
      );
      // The numbers of stderr and the one line that counts those of stdout.
      expect(stdout).toBe('100001\n');
    },
  );

  it('is the same under --method ptrace', () => {
    const { alone, traced } = both('ulimit -n 300; CMD 5</etc/passwd', '--method ptrace');
    expect(traced).toEqual(alone);
  });

  it.each(['seccomp', 'adaptive', 'ebpf'])('has its signals blocked under --method %s', (method) => {
    const { alone, traced } = both('VICTIM launch mask CMD', `--phases none --method ${method}`);
    expect(alone).toContain('/proc/self/status SigBlk:\t0000001000004200');
    expect(traced).toEqual(alone);
  });

  it.each(['', '--exec'])('has its signals blocked under run %s', (option) => {
    using directory = sharedDirectory();
    const policy = join(directory.path, 'policy.yaml');
    expect(shellRun(`${callgate} trace -q --phases none -o ${directory.path}/p -- ${victim}`).status).toBe(0);
    expect(shellRun(`${callgate} policy ${directory.path}/p -o ${policy}`).status).toBe(0);
    const command = `${callgate} run -q --policy ${policy} ${option} -- ${victim}`;
    const { stdout } = shellRun(`${victim} launch mask ${command}`);
    expect(stdout).toContain('SigBlk:\t0000001000004200');
  });

  it('is the same for an unprivileged user under --method ptrace', () => {
    const { alone, traced } = both(`${AS_NOBODY} CMD`, '--method ptrace');
    expect(traced).toEqual(alone);
  });

  it('differs for an unprivileged user under --method seccomp by no_new_privs alone', () => {
    const { alone, traced } = both(`${AS_NOBODY} CMD`, '--method seccomp');
    expect(alone.filter((line) => /NoNewPrivs:\t0|no_new_privs 0/.test(line))).toHaveLength(2);
    const privileged = alone.map((line) =>
      line.replace('NoNewPrivs:\t0', 'NoNewPrivs:\t1').replace('no_new_privs 0', 'no_new_privs 1'),
    );
    expect(traced).toEqual(privileged);
  });
});

describe('a setuid program', () => {
  it.each(['seccomp', 'ptrace'])('keeps its privileges if root traces, under --method %s', (method) => {
    using directory = sharedDirectory();
    const id = setuidId(directory.path);
    const { stdout, stderr } = shellRun(
      `${callgate} trace -q --method ${method} -o ${directory.path}/profile -- ${AS_NOBODY} ${id}`,
    );
    expect(stdout).toContain(`uid=${NOBODY}(nobody)`);
    expect(stdout).toContain('euid=0(root)');
    expect(stderr).toBe('');
  });

  it.each(['seccomp', 'ptrace'])(
    'loses them, with a warning, if another user traces, under --method %s',
    (method) => {
      using directory = sharedDirectory();
      const id = setuidId(directory.path);
      const { stdout, stderr, status } = shellRun(
        `${AS_NOBODY} ${callgate} trace -q --method ${method} -o ${directory.path}/profile -- sh -c '${id} -u; :'`,
      );
      expect({ stdout, status }).toEqual({ stdout: `${NOBODY}\n`, status: 0 });
      expect(stderr).toBe(
        `callgate: warning: ${id} is setuid and ran without its privileges, for it is traced by an unprivileged user; run callgate as root to trace it as it is\n`,
      );
      expect(readProfile(join(directory.path, 'profile')).runs[0]?.warnings).toHaveLength(1);
    },
  );
});

describe('a program with file capabilities', () => {
  it('loses them, with a warning that names the file, if another user traces', () => {
    using directory = sharedDirectory();
    const path = join(directory.path, 'capable');
    copyFileSync('/usr/bin/cat', path);
    chmodSync(path, 0o755);
    const granted = run('setcap', ['cap_dac_override+ep', path]);
    expect(granted.stderr).toBe('');
    const read = `${path} /proc/self/status`;
    expect(shellRun(`${AS_NOBODY} ${read}`).stdout).toMatch(/^CapEff:\s+0*2$/m);
    const { stdout, stderr } = shellRun(
      `${AS_NOBODY} ${callgate} trace -q -o ${directory.path}/profile -- ${read}`,
    );
    expect(stdout).toMatch(/^CapEff:\s+0+$/m);
    expect(stderr).toBe(
      `callgate: warning: ${path} is setcap and ran without its privileges, for it is traced by an unprivileged user; run callgate as root to trace it as it is\n`,
    );
  });
});

/** The victim's lines without callgate and with it. */
function both(shell: string, options = ''): { alone: string[]; traced: string[] } {
  using directory = sharedDirectory();
  const fill = (command: string): string => shell.replace('CMD', command).replace('VICTIM', victim);
  const alone = shellRun(fill(victim)).stdout;
  const trace = `${callgate} trace -q ${options} -o ${directory.path}/profile -- ${victim}`;
  const traced = shellRun(fill(trace));
  // Node says nothing of its own; a closed stderr says nothing at all.
  expect(traced.stderr).toBe('');
  return { alone: alone.split('\n'), traced: traced.stdout.split('\n') };
}

function shellRun(command: string): Finished {
  return run('/bin/sh', ['-c', command], { cwd: '/' });
}

/** A directory in which every user may write. */
function sharedDirectory(): ReturnType<typeof temporaryDirectory> {
  const directory = temporaryDirectory();
  chmodSync(directory.path, 0o777);
  return directory;
}

function setuidId(directory: string): string {
  const path = join(directory, 'suid-id');
  copyFileSync('/usr/bin/id', path);
  chownSync(path, 0, 0);
  chmodSync(path, 0o4755);
  return path;
}
