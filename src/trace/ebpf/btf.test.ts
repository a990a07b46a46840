import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError } from '../../base/errors.ts';
import { Btf } from './btf.ts';
import { findKernelFields } from './kernel-fields.ts';
import { buildBtf } from './testing/btf-bytes.ts';

const WANTED = { structs: ['task', 'signal'], typedefs: ['btf_trace_one'], functions: [] };

/**
 * struct signal { int unused; atomic_t live; }; struct task { int pid; union { int a; struct { int b, c; }; }; struct signal *s;
 * const signal_t own; }; typedef ... btf_trace_one.
 */
const TYPES = [
  { kind: 'int', name: 'int', size: 4 },
  { kind: 'struct', name: 'counter', size: 4, members: [{ name: 'counter', type: 1, bits: 0 }] },
  { kind: 'typedef', name: 'atomic_t', type: 2 },
  {
    kind: 'struct',
    name: 'signal',
    size: 8,
    members: [
      { name: 'unused', type: 1, bits: 0 },
      { name: 'live', type: 3, bits: 32 },
    ],
  },
  {
    kind: 'struct',
    name: '',
    size: 8,
    members: [
      { name: 'b', type: 1, bits: 0 },
      { name: 'c', type: 1, bits: 32 },
    ],
  },
  {
    kind: 'union',
    name: '',
    size: 8,
    members: [
      { name: 'a', type: 1, bits: 0 },
      { name: '', type: 5, bits: 0 },
    ],
  },
  { kind: 'pointer', name: '', type: 4 },
  { kind: 'const', name: '', type: 4 },
  {
    kind: 'struct',
    name: 'task',
    size: 40,
    members: [
      { name: 'pid', type: 1, bits: 0 },
      { name: '', type: 6, bits: 64 },
      { name: 's', type: 7, bits: 128 },
      { name: 'own', type: 8, bits: 192 },
    ],
  },
  { kind: 'typedef', name: 'btf_trace_one', type: 7 },
] as const;

describe('a member', () => {
  const btf = new Btf(buildBtf(TYPES), WANTED);

  it.each([
    { struct: 'task', path: 'pid', want: 0 },
    { struct: 'task', path: 's', want: 16 },
    { struct: 'task', path: 'a', want: 8 },
    { struct: 'task', path: 'b', want: 8 },
    { struct: 'task', path: 'c', want: 12 },
    { struct: 'signal', path: 'live.counter', want: 4 },
    { struct: 'task', path: 'own.live.counter', want: 28 },
    { struct: 'task', path: 'nothing', want: undefined },
    { struct: 'task', path: 'pid.counter', want: undefined },
    { struct: 'counter', path: 'counter', want: undefined },
  ])('$struct.$path lies at $want', ({ struct, path, want }) => {
    expect(btf.member(struct, path)?.offset).toBe(want);
  });

  it('is found past a type of every kind of which the length is known', () => {
    const more = [
      { kind: 'enum', name: 'e', values: 3 },
      { kind: 'function', name: 'f', parameters: 2 },
    ] as const;
    const shifted = new Btf(
      buildBtf([...TYPES, ...more, { kind: 'typedef', name: 'btf_trace_two', type: 1 }]),
      {
        structs: ['task'],
        typedefs: ['btf_trace_one', 'btf_trace_two', 'btf_trace_three'],
        functions: [],
      },
    );
    expect([
      shifted.typedef('btf_trace_one'),
      shifted.typedef('btf_trace_two'),
      shifted.typedef('btf_trace_three'),
    ]).toEqual([10, 13, null]);
  });
});

describe('bytes that are no BTF', () => {
  const good = buildBtf(TYPES);

  it.each([
    {
      name: 'nothing',
      bytes: new Uint8Array(0),
      error: 'btf: 2 bytes at 0x0 end at 0x2, past end of range (0x0)',
    },
    {
      name: 'another magic',
      bytes: Uint8Array.of(1, 2, 3, 4),
      error: 'btf: magic is 0x201 (0xeb9f, little-endian)',
    },
    { name: 'another version', bytes: Uint8Array.of(0x9f, 0xeb, 9, 0), error: 'btf: version 9 (1)' },
    { name: 'sections past the end', bytes: good.subarray(0, 40), error: 'past end of range' },
  ])('are refused: $name', ({ bytes, error }) => {
    expect(() => new Btf(bytes, WANTED)).toThrow(error);
    expect(() => new Btf(bytes, WANTED)).toThrow(FormatError);
  });

  it('give nothing but a FormatError, however they are damaged', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        (damage) => {
          const bytes = good.slice();
          for (const [at, value] of damage) bytes[at] = value;
          try {
            const btf = new Btf(bytes, WANTED);
            for (const path of ['pid', 'c', 'own.live.counter']) btf.member('task', path);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

it('says which part of the kernel is missing', () => {
  expect(() => findKernelFields(buildBtf(TYPES))).toThrow(
    "trace: this kernel's BTF has no raw tracepoint sys_enter, which eBPF tracing needs (--method seccomp does without)",
  );
});
