import { expect, it } from 'vitest';
import { inheritedState } from './inherited.ts';
import { chooseMethod, type MethodWish } from './method.ts';

const LAUNCH: MethodWish = {
  method: 'auto',
  target: {
    kind: 'launch',
    path: '/bin/true',
    argv: ['true'],
    env: [],
    cwd: null,
    stdin: 'inherit',
    inherited: inheritedState(undefined),
  },
  hasSymbolTrigger: false,
  wantsPhases: true,
  isEnforced: false,
  wantsErrors: false,
};
const ATTACH: MethodWish = { ...LAUNCH, target: { kind: 'attach', pids: [1] } };
const SCOPE: MethodWish = {
  ...LAUNCH,
  target: { kind: 'scope', scope: { kind: 'all' }, text: 'the whole machine' },
};

it.each([
  { name: 'eBPF where it works', wish: LAUNCH, obstacle: null, want: ['ebpf', 'seccomp'] },
  { name: 'eBPF for a running process', wish: ATTACH, obstacle: null, want: ['ebpf', 'ptrace'] },
  { name: 'seccomp where eBPF does not work', wish: LAUNCH, obstacle: 'x', want: ['seccomp', null] },
  {
    name: 'adaptive where it does not, and no phases are wanted',
    wish: { ...LAUNCH, wantsPhases: false },
    obstacle: 'x',
    want: ['adaptive', null],
  },
  {
    name: 'ptrace for a running process where eBPF does not work',
    wish: ATTACH,
    obstacle: 'x',
    want: ['ptrace', null],
  },
  {
    name: 'eBPF for a function, or seccomp where it cannot tell in which file that will be',
    wish: { ...LAUNCH, hasSymbolTrigger: true, wantsPhases: false },
    obstacle: null,
    want: ['ebpf', 'seccomp'],
  },
  {
    name: 'seccomp under a filter',
    wish: { ...LAUNCH, isEnforced: true },
    obstacle: null,
    want: ['seccomp', null],
  },
  {
    name: 'eBPF and nothing else for a part of the machine',
    wish: SCOPE,
    obstacle: 'x',
    want: ['ebpf', null],
  },
  {
    name: 'eBPF, or ptrace, where it is wanted how calls end',
    wish: { ...LAUNCH, wantsErrors: true },
    obstacle: null,
    want: ['ebpf', 'ptrace'],
  },
  {
    name: 'ptrace for that where eBPF does not work',
    wish: { ...LAUNCH, wantsErrors: true },
    obstacle: 'x',
    want: ['ptrace', null],
  },
  {
    name: 'what was asked for',
    wish: { ...LAUNCH, method: 'ptrace' as const },
    obstacle: null,
    want: ['ptrace', null],
  },
])('the method is $name', ({ wish, obstacle, want }) => {
  const { method, fallback, reason } = chooseMethod(wish, () => obstacle);
  expect([method, fallback]).toEqual(want);
  expect(reason === null).toBe(wish.method !== 'auto' || wish.isEnforced || wish.target.kind === 'scope');
});
