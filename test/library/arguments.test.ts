import { describe, expect, it } from 'vitest';
import * as library from '../../src/index.ts';
import { sampleProfile } from '../../src/profile/testing/sample-profile.ts';

const profile = sampleProfile([{ pid: 1, program: '/bin/true', calls: { getpid: [1, 5], close: [2, 9] } }]);
const { policy } = library.buildPolicy([profile]);
const split = library.splitAt(profile, { kind: 'after', delay: 0 });

/** As programs without types see them. */
const FUNCTIONS = library as unknown as Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;

async function messageOf(name: string, args: readonly unknown[]): Promise<string> {
  try {
    await FUNCTIONS[name]?.(...args);
  } catch (error) {
    expect(error).toBeInstanceOf(library.UsageError);
    return (error as Error).message;
  }
  return 'no error';
}

describe('an argument of the library that makes no sense', () => {
  it.each<{ name: string; args: readonly unknown[]; message: string }>([
    { name: 'buildPolicy', args: [], message: 'profiles has to be an array, not undefined' },
    {
      name: 'buildPolicy',
      args: [profile],
      message: "profiles has to be an array, not { format: 'callgate-profile', version: 1, ",
    },
    {
      name: 'buildPolicy',
      args: [[profile, {}]],
      message: 'profiles[1] has to be a profile (parseProfile reads one), not {}',
    },
    { name: 'buildPolicy', args: [[profile], null], message: 'options has to be an object, not null' },
    { name: 'mergeProfiles', args: ['x'], message: "profiles has to be an array, not 'x'" },
    {
      name: 'mergeProfiles',
      args: [[policy]],
      message: "profiles[0] has to be a profile (parseProfile reads one), not { format: 'callgate-policy', ",
    },
    { name: 'callSet', args: [], message: 'profile has to be a profile (parseProfile reads one)' },
    { name: 'runIncidence', args: [{}], message: 'profile has to be a profile (parseProfile reads one)' },
    { name: 'proposeSplits', args: [5], message: 'profile has to be a profile (parseProfile reads one)' },
    { name: 'splitAt', args: [{}, {}], message: 'profile has to be a profile (parseProfile reads one)' },
    { name: 'splitAt', args: [profile], message: 'trigger has to be an object, not undefined' },
    {
      name: 'splitAt',
      args: [profile, { kind: 'symbol', object: null, name: 'serve' }],
      message: "trigger.kind is 'symbol' (syscall, listen, after)",
    },
    {
      name: 'splitAt',
      args: [profile, { kind: 'after', delay: '5s' }],
      message: "trigger.delay has to be a number from 0 up, not '5s'",
    },
    {
      name: 'formatTrigger',
      args: [{ kind: 'syscall', name: 'read', n: 0 }],
      message: 'trigger.n has to be a number from 1 up, not 0',
    },
    {
      name: 'buildPolicy',
      args: [[{ format: 'callgate-profile' }]],
      message: 'profiles[0] has to be a profile (parseProfile reads one)',
    },
    {
      name: 'formatPolicyYaml',
      args: [{ format: 'callgate-policy' }],
      message: 'policy has to be a policy (parsePolicy reads one)',
    },
    { name: 'formatTrigger', args: [], message: 'trigger has to be an object, not undefined' },
    { name: 'recut', args: [undefined, split], message: 'profile has to be a profile' },
    { name: 'recut', args: [profile], message: 'split has to be an object, not undefined' },
    {
      name: 'recut',
      args: [profile, { ...split, times: {} }],
      message: 'split.times has to be a Map, as splitAt gives, not {}',
    },
    { name: 'formatProfile', args: [null], message: 'profile has to be a profile (parseProfile reads one)' },
    { name: 'formatPolicyYaml', args: [], message: 'policy has to be a policy (parsePolicy reads one)' },
    {
      name: 'formatPolicyJson',
      args: [profile],
      message: 'policy has to be a policy (parsePolicy reads one)',
    },
    { name: 'checkPolicy', args: [], message: 'policy has to be an object, not undefined' },
    { name: 'checkPolicy', args: [policy, 'bpf'], message: "accepted has to be an array, not 'bpf'" },
    { name: 'exportPolicy', args: [undefined, 'oci'], message: 'policy has to be an object, not undefined' },
    { name: 'importBytes', args: [], message: 'bytes has to be a Uint8Array' },
    {
      name: 'importBytes',
      args: ['a\nb'],
      message: "bytes has to be a Uint8Array, such as readFileSync(path) gives, not 'a\\x0ab'",
    },
    {
      name: 'importBytes',
      args: [[1, {}]],
      message: 'bytes has to be a Uint8Array, such as readFileSync(path) gives, not [ 1, [Object] ]',
    },
  ])('is told of by $name: $message', async ({ name, args, message }) => {
    expect(await messageOf(name, args)).toContain(`${name}: ${message}`);
  });
});

describe('an option of the library that makes no sense', () => {
  it.each<{ name: string; before: readonly unknown[]; options: object; message: string }>([
    {
      name: 'buildPolicy',
      before: [[profile]],
      options: { strict: 'nope' },
      message: "strict is 'nope' (observed, balanced, sound)",
    },
    {
      name: 'buildPolicy',
      before: [[profile]],
      options: { strictness: 'sound' },
      message: 'there is no option "strictness" (strict, portable, ',
    },
    {
      name: 'buildPolicy',
      before: [[profile]],
      options: { portable: '5.10..6.12' },
      message: "portable has to be a range of kernels such as { from: '5.10', to: '6.12' }, not '5.10..6.12'",
    },
    {
      name: 'buildPolicy',
      before: [[profile]],
      options: { portable: { from: '6.12', to: '5.10' } },
      message: 'portable has to be a range of kernels',
    },
    {
      name: 'buildPolicy',
      before: [[profile]],
      options: { runtimes: ['docker'] },
      message: "runtimes[0] is 'docker' (runc, crun)",
    },
    {
      name: 'buildPolicy',
      before: [[profile]],
      options: { runtimes: 'runc' },
      message: "runtimes has to be an array, not 'runc'",
    },
    {
      name: 'buildPolicy',
      before: [[profile]],
      options: { args: 'no' },
      message: "args has to be true or false, not 'no'",
    },
    {
      name: 'buildPolicy',
      before: [[profile]],
      options: { onViolation: 1 },
      message: 'onViolation has to be text, not 1',
    },
    {
      name: 'callSet',
      before: [profile],
      options: { phse: 'main' },
      message: 'there is no option "phse" (phase, pid, program, run, origin)',
    },
    {
      name: 'runIncidence',
      before: [profile],
      options: { origin: 'seen' },
      message: "origin is 'seen' (observed, possible, imported)",
    },
    {
      name: 'exportPolicy',
      before: [policy, 'oci'],
      options: { phases: 'main' },
      message: 'there is no option "phases" (phase, program)',
    },
    {
      name: 'exportPolicy',
      before: [policy, 'oci'],
      options: { phase: 1 },
      message: 'phase has to be text, not 1',
    },
    {
      name: 'importBytes',
      before: [new Uint8Array(1)],
      options: { from: 'strace' },
      message: 'there is no option "from" (format, source, written, program)',
    },
    {
      name: 'importBytes',
      before: [new Uint8Array(1)],
      options: { written: '2024-01-01' },
      message: "written has to be a Date, not '2024-01-01'",
    },
  ])('is told of by $name: $message', async ({ name, before, options, message }) => {
    expect(await messageOf(name, [...before, options])).toContain(`${name}: ${message}`);
  });

  it('is none if it is undefined', () => {
    const options = { strict: undefined, portable: undefined } as unknown as library.BuildOptions;
    expect(library.buildPolicy([profile], options).policy).toEqual(policy);
  });
});
