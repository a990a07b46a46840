import { describe, expect, it } from 'vitest';
import { callgate } from '../support/callgate.ts';

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

it.each(['trace', 'run', 'analyze', 'show'])('callgate %s can be asked for the version', (command) => {
  expect(callgate(['--version', command]).stdout).toMatch(/^[0-9]+\.[0-9]+\.[0-9]+\n$/);
});
