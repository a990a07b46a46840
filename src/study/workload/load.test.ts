import { describe, expect, it } from 'vitest';
import { DocumentError } from '../../base/errors.ts';
import { parseWorkload } from './load.ts';

const GOOD = `
name: sample
program: /usr/bin/ls
description: A sample.
packages: [coreutils]
ports: [port]
environment: { MODE: "\${scratch}/x" }
setup: touch a
servers:
  main: { command: "\${program} -d \${port}", ready: "listen:\${port}", stop: "kill 1", exit: [0, 143] }
cases:
  - name: one
    kind: benchmark
    steps:
      - \${program} a
      - { run: "\${program} none", exit: 2, output: No such }
  - name: two
    needs: [root]
    unfit: [callgrind]
    server: main
    setup: touch b
    steps: [{ run: "true", exit: any }]
`;

describe('a workload document', () => {
  it('is read with what was left out filled in', () => {
    const workload = parseWorkload(GOOD);
    expect(workload.servers).toEqual([
      {
        name: 'main',
        command: '${program} -d ${port}',
        ready: 'listen:${port}',
        stop: 'kill 1',
        exit: [0, 143],
      },
    ]);
    expect(workload.cases).toEqual([
      {
        name: 'one',
        kind: 'benchmark',
        needs: [],
        unfit: [],
        server: null,
        setup: '',
        steps: [
          { run: '${program} a', exit: [0], output: null },
          { run: '${program} none', exit: [2], output: 'No such' },
        ],
      },
      {
        name: 'two',
        kind: 'explore',
        needs: ['root'],
        unfit: ['callgrind'],
        server: 'main',
        setup: 'touch b',
        steps: [{ run: 'true', exit: 'any', output: null }],
      },
    ]);
  });

  it.each([
    {
      what: 'a missing field',
      from: 'description: A sample.\n',
      to: '',
      want: 'missing field, "description"',
    },
    {
      what: 'an unknown field',
      from: 'setup: touch a',
      to: 'set-up: touch a',
      want: 'unknown field, "set-up"',
    },
    { what: 'a relative program', from: '/usr/bin/ls', to: 'ls', want: '/program (line 3)' },
    { what: 'a step of no form', from: '- ${program} a', to: '- 7', want: '/cases/0/steps/0 (line 15)' },
    { what: 'an exit code past 255', from: 'exit: 2,', to: 'exit: 256,', want: '/cases/0/steps/1/exit' },
    {
      what: 'an unknown kind',
      from: 'kind: benchmark',
      to: 'kind: fun',
      want: 'benchmark, explore, is "fun"',
    },
    { what: 'an unknown runner', from: 'unfit: [callgrind]', to: 'unfit: [gdb]', want: 'is "gdb"' },
    { what: 'two cases of one name', from: 'name: two', to: 'name: one', want: 'name of two cases, "one"' },
    {
      what: 'an unknown server',
      from: 'server: main',
      to: 'server: other',
      want: 'unknown server, "other" (main)',
    },
    {
      what: 'an unknown placeholder in a step',
      from: '- ${program} a',
      to: '- ${program} ${portt}',
      want: '/cases/0/steps/0 (line 15): unknown placeholder, ${portt} (program, scratch, signal, port)',
    },
    {
      what: 'an unknown placeholder in a server',
      from: 'ready: "listen:${port}"',
      to: 'ready: "listen:${nothing}"',
      want: '/servers/main/ready (line 10): unknown placeholder, ${nothing}',
    },
    { what: 'a trigger of no kind', from: '"listen:${port}"', to: '"after:3s"', want: '/servers/main/ready' },
    {
      what: 'a port with a name that is taken',
      from: 'ports: [port]',
      to: 'ports: [port, scratch]',
      want: 'name of a port is taken, "scratch"',
    },
    {
      what: 'a server that is not the program',
      from: '"${program} -d ${port}"',
      to: '"sleep 1"',
      want: 'does not start ${program}',
    },
    {
      what: 'a case that never starts the program',
      from: '    server: main\n',
      to: '',
      want: '/cases/1/steps (line 21): no step starts ${program}, and no server is named',
    },
    {
      what: 'a pattern that is none',
      from: 'output: No such',
      to: 'output: "("',
      want: 'not a regular expression, "("',
    },
    { what: 'text that is no YAML', from: 'cases:', to: 'cases: [', want: 'not YAML' },
  ])('with $what is refused', ({ from, to, want }) => {
    const text = GOOD.replace(from, () => to);
    expect(text).not.toBe(GOOD);
    expect(() => parseWorkload(text, 'file.yaml')).toThrow(DocumentError);
    expect(() => parseWorkload(text, 'file.yaml')).toThrow(want);
    expect(() => parseWorkload(text, 'file.yaml')).toThrow(/^file\.yaml: /);
  });

  it('may use what is the shell’s own', () => {
    const text = GOOD.replace('- ${program} a', '- ${program} "${HOME}" "${x:-1}" "$y" "${#z}"');
    expect(parseWorkload(text).cases[0]?.steps[0]?.run).toContain('${x:-1}');
  });
});
