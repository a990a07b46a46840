import { describe, expect, it } from 'vitest';
import { CALLGATE, callgate, run } from '../support/callgate.ts';

// Each of these has a bundle of its own, beside that of all commands.
describe.each(['trace', 'run', 'analyze'])('callgate %s', (command) => {
  it('has the same help as by callgate help', () => {
    const { status, stdout } = callgate([command, '--help']);
    expect(status).toBe(0);
    expect(stdout).toContain(`Usage: callgate ${command}`);
    expect(callgate(['help', command]).stdout).toBe(stdout);
  });

  it('says what is wrong with an option, and what may have been meant', () => {
    const { status, stderr } = callgate([command, '--quite', '--', 'true']);
    expect([status, stderr]).toEqual([2, "callgate: unknown option '--quite'\n(Did you mean --quiet?)\n"]);
  });
});

it('of a command that there is none of is refused, with the nearest one', () => {
  expect(callgate(['help', 'polcy'])).toMatchObject({
    status: 2,
    stdout: '',
    stderr: "callgate: unknown command 'polcy'\n(Did you mean policy?)\n",
  });
  expect(callgate(['help', 'help']).stdout).toBe(callgate(['--help']).stdout);
});

describe('stdout that takes nothing', () => {
  it.each([
    { args: '--help', where: 'full' },
    { args: 'trace --help', where: 'full' },
    { args: 'analyze --help', where: 'full' },
    { args: '--version', where: 'full' },
    { args: 'completion bash', where: 'full' },
    { args: '--help', where: 'closed' },
    { args: 'explain --help', where: 'closed' },
    { args: 'completion bash', where: 'closed' },
  ])('is a failure of callgate $args: $where', ({ args, where }) => {
    const script = `"$0" ${args} ${where === 'full' ? '>/dev/full' : '>&-'}`;
    const { status, stderr } = run('sh', ['-c', script, CALLGATE]);
    expect(stderr).toMatch(
      where === 'full'
        ? /^callgate: output: cannot write to stdout, ENOSPC: .*\n$/
        : /^callgate: output: cannot write to stdout, it is closed\n$/,
    );
    expect(status).toBe(2);
  });

  it('is none if its reader has seen enough', () => {
    const script = '"$0" --help | true; echo "${PIPESTATUS[0]}"';
    expect(run('bash', ['-c', script, CALLGATE])).toMatchObject({ stdout: '0\n', stderr: '' });
  });
});

it.each(['trace', 'run', 'analyze', 'show'])('callgate %s can be asked for the version', (command) => {
  expect(callgate(['--version', command]).stdout).toMatch(/^[0-9]+\.[0-9]+\.[0-9]+\n$/);
});
