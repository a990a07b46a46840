import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { syscalls } from '../abi/syscalls.ts';
import { selectingArguments } from '../abi/selecting-arguments.ts';
import { findExporter } from '../export/exporters.ts';
import { selectSet } from '../export/selection.ts';
import { canonicalPolicy } from '../policy/canonical.ts';
import { parsePolicy } from '../policy/load.ts';
import { POLICY_VERSION, type Policy, type PolicyArgument, type PolicyCall } from '../policy/model.ts';
import { formatPolicyYaml } from '../policy/save.ts';
import { findImporter } from './importers.ts';
import type { Imported } from './importer.ts';

const NEWEST = syscalls('x86_64').at(-1)!.nr;
/** Without the last: if it is not denied, a filter does not tell whether it is known. */
const CHOICE = syscalls('x86_64').slice(0, -1);

/** Rules of visible selecting arguments, at their own width: what a policy has after an import. */
function arbitraryArguments(nr: number): fc.Arbitrary<readonly PolicyArgument[]> {
  const visible = selectingArguments('x86_64', nr).filter(({ pointee }) => pointee === undefined);
  if (visible.length === 0) return fc.constant([]);
  return fc.subarray(visible).chain((chosen) =>
    fc.tuple(
      ...chosen.map(({ index, name, bits }) =>
        fc
          .record({
            values: fc.uniqueArray(fc.bigInt({ min: 0n, max: 7n }), { minLength: 1, maxLength: 3 }),
            free: fc.constantFrom(0n, 0x80000n, 0x18n),
          })
          .map(({ values, free }): PolicyArgument => ({
            index,
            name,
            width: bits,
            values: values.sort((a, b) => Number(a - b)),
            free,
          })),
      ),
    ),
  );
}

const arbitraryPolicy: fc.Arbitrary<Policy> = fc
  .record({
    calls: fc.subarray([...CHOICE], { minLength: 1, maxLength: 40 }),
    missing: fc.subarray([...CHOICE], { maxLength: 5 }),
    onViolation: fc.constantFrom('errno:EPERM', 'errno:EACCES', 'kill', 'trap'),
    newest: fc.constantFrom(NEWEST, 400),
  })
  .chain(({ calls, missing, onViolation, newest }) =>
    fc.tuple(...calls.map(({ nr }) => arbitraryArguments(nr))).map((args) => {
      const toCall = ({ nr, name }: { nr: number; name: string }, k: number): PolicyCall => ({
        arch: 'x86_64',
        nr,
        name,
        args: args[k] ?? [],
        why: [],
      });
      const numbers = new Set(calls.map(({ nr }) => nr));
      const enosys = missing.filter(({ nr }) => !numbers.has(nr) && nr <= newest);
      return canonicalPolicy({
        format: 'callgate-policy',
        version: POLICY_VERSION,
        generator: { name: 'callgate', version: '0.0.0' },
        sources: [],
        strict: 'observed',
        kernels: null,
        onViolation,
        arches: [{ arch: 'x86_64', newest }],
        enosys: enosys.map((call) => ({ ...toCall(call, -1), args: [] })),
        groups: [],
        phases: [{ name: 'setup', trigger: null, calls: calls.map(toCall), programs: [] }],
      });
    }),
  );

function carry(policy: Policy, format: string): Imported {
  const { content } = findExporter(format).write(selectSet(policy));
  return findImporter(format).read({
    bytes: typeof content === 'string' ? new TextEncoder().encode(content) : content,
    source: 'exported',
    arch: 'x86_64',
    written: '2026-01-02T03:04:05.678Z',
    program: null,
  });
}

/** What is left of a policy when nobody remembers where its entries come from. */
function essence(policy: Policy): unknown {
  const plain = (calls: readonly PolicyCall[]): unknown => calls.map(({ nr, args }) => ({ nr, args }));
  const { onViolation, arches, enosys, phases } = canonicalPolicy(policy);
  return { onViolation, arches, enosys: plain(enosys), calls: plain(phases[0]!.calls) };
}

test('a policy that goes out as cBPF comes back the same', () => {
  fc.assert(
    fc.property(arbitraryPolicy, (policy) => {
      const imported = carry(policy, 'cbpf');
      if (imported.kind !== 'policy') throw new TypeError('no policy');
      expect(essence(imported.policy)).toEqual(essence(policy));
      expect(imported.remarks).toEqual([]);
    }),
    { numRuns: 60 },
  );
}, 120_000);

test('a rule for two values that a filter looks at one after the other comes back too', () => {
  const text = `
format: callgate-policy
version: 1
generator: { name: callgate, version: '0' }
sources: []
strict: observed
kernels: null
onViolation: errno:EPERM
arches: [{ arch: x86_64, newest: ${NEWEST} }]
enosys: [access, futex_requeue, request_key, set_thread_area]
groups: []
phases:
  - name: setup
    trigger: null
    calls: [pread64, settimeofday, io_getevents, utimensat, landlock_create_ruleset, { lsm_get_self_attr: { attr: [0], flags: [0, 1] } }]
`;
  const policy = parsePolicy(text);
  const imported = carry(policy, 'cbpf');
  if (imported.kind !== 'policy') throw new TypeError('no policy');
  expect(essence(imported.policy)).toEqual(essence(policy));
  expect(imported.remarks).toEqual([]);
});

test('a policy that goes out as an OCI profile comes back the same, with newer calls by name', () => {
  fc.assert(
    fc.property(arbitraryPolicy, (policy) => {
      const imported = carry(policy, 'oci');
      if (imported.kind !== 'policy') throw new TypeError('no policy');
      const newer = syscalls('x86_64').filter(
        ({ nr, since }) =>
          nr > policy.arches[0]!.newest &&
          since !== null &&
          !policy.phases[0]!.calls.some((call) => call.nr === nr),
      );
      const named = newer.map(({ nr, name }): PolicyCall => ({
        arch: 'x86_64',
        nr,
        name,
        args: [],
        why: [],
      }));
      const want = {
        ...policy,
        arches: [{ arch: 'x86_64' as const, newest: NEWEST }],
        enosys: [...policy.enosys, ...named],
      };
      expect(essence(imported.policy)).toEqual(essence(want));
      expect(imported.remarks).toEqual([]);
    }),
    { numRuns: 60 },
  );
}, 120_000);

test('what is imported is a policy that can be saved and loaded', () => {
  fc.assert(
    fc.property(arbitraryPolicy, fc.constantFrom('cbpf', 'oci'), (policy, format) => {
      const imported = carry(policy, format);
      if (imported.kind !== 'policy') throw new TypeError('no policy');
      expect(parsePolicy(formatPolicyYaml(imported.policy))).toEqual(canonicalPolicy(imported.policy));
    }),
    { numRuns: 10 },
  );
}, 120_000);
