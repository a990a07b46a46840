import * as fc from 'fast-check';
import { ARCHES, type Arch } from '../../abi/arch.ts';
import { syscalls } from '../../abi/syscalls.ts';
import { visibleArguments } from '../argument-constants.ts';
import { createArgument } from '../argument-rules.ts';
import { callKey, identify, type CallIdentity } from '../call-label.ts';
import { canonicalPolicy } from '../canonical.ts';
import type { Policy, PolicyArgument, PolicyCall, PolicyPhase } from '../model.ts';
import { plainWhy } from '../why.ts';

/** Policies that are valid in every respect, with hostile strings, in canonical order. */
export function arbitraryPolicy(): fc.Arbitrary<Policy> {
  return fc
    .uniqueArray(fc.constantFrom(...ARCHES), { minLength: 1, maxLength: 3 })
    .chain((arches) =>
      fc.record({
        format: fc.constant('callgate-policy' as const),
        version: fc.constant(1),
        generator: fc.record({ name: hostileText(), version: hostileText() }),
        sources: fc.array(
          fc.record({
            method: hostileText(),
            command: fc.array(fc.string({ unit: 'binary', maxLength: 8 }), { maxLength: 3 }),
            runs: fc.integer({ min: 1, max: 1000 }),
            complete: fc.boolean(),
            host: fc.record({
              kernel: hostileText(),
              arch: hostileText(),
              libc: fc.option(hostileText()),
            }),
          }),
          { maxLength: 2 },
        ),
        strict: fc.constantFrom('observed' as const, 'balanced' as const, 'sound' as const),
        kernels: fc.constantFrom(null, { from: '4.14', to: '6.12' }),
        onViolation: fc.constantFrom('kill', 'trap', 'log', 'errno:EPERM', 'errno:ENOSYS', 'errno:222'),
        arches: fc.constant(arches.map((arch) => ({ arch, newest: 440 }))),
        enosys: arbitraryCalls(arches).map((calls) => calls.map((call) => ({ ...call, args: [] }))),
        groups: fc.uniqueArray(fc.record({ name: printableText(), reason: printableText() }), {
          selector: ({ name }) => name,
          maxLength: 3,
        }),
        phases: fc
          .uniqueArray(arbitraryPhase(arches), {
            minLength: 1,
            maxLength: 3,
            selector: ({ name }) => name,
          })
          .map((phases) =>
            phases.map((phase, index) => ({ ...phase, trigger: index === 0 ? null : phase.trigger })),
          ),
      }),
    )
    .map(canonicalPolicy);
}

function arbitraryPhase(arches: readonly Arch[]): fc.Arbitrary<PolicyPhase> {
  return fc.record({
    name: fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/),
    trigger: hostileText(),
    calls: arbitraryCalls(arches),
    programs: fc.uniqueArray(
      fc.record({
        path: hostileText(),
        buildId: fc.option(fc.stringMatching(/^[0-9a-f]{1,16}$/)),
        calls: arbitraryCalls(arches),
      }),
      { maxLength: 2, selector: ({ path, buildId }) => JSON.stringify([path, buildId]) },
    ),
  });
}

function arbitraryCalls(arches: readonly Arch[]): fc.Arbitrary<readonly PolicyCall[]> {
  return fc.uniqueArray(
    fc
      .constantFrom(...arches)
      .chain((arch) =>
        fc
          .oneof(
            fc.constantFrom(...syscalls(arch).map(({ nr }) => nr)),
            fc.constantFrom(
              ...syscalls(arch).flatMap(({ nr }) => (visibleArguments({ arch, nr }).length > 0 ? [nr] : [])),
            ),
            fc.integer({ min: 0, max: 0x3fffffff }),
          )
          .chain((nr) => arbitraryCall(identify(arch, nr))),
      ),
    { maxLength: 6, selector: callKey },
  );
}

function arbitraryCall(call: CallIdentity): fc.Arbitrary<PolicyCall> {
  const places: readonly Pick<PolicyArgument, 'index' | 'name' | 'width'>[] = [
    ...visibleArguments(call).map(({ index, name, bits }) => ({ index, name, width: bits })),
    { index: 5, name: null, width: 64 },
    { index: 4, name: null, width: 32 },
  ];
  return fc.record({
    arch: fc.constant(call.arch),
    nr: fc.constant(call.nr),
    name: fc.constant(call.name),
    args: fc.uniqueArray(
      fc.constantFrom(...places).chain((place) => arbitraryArgument(call, place)),
      {
        maxLength: 3,
        selector: ({ index }) => index,
      },
    ),
    why: fc.uniqueArray(
      printableText()
        .map(plainWhy)
        .filter((text) => text !== ''),
      { maxLength: 3 },
    ),
  });
}

function arbitraryArgument(
  { arch }: CallIdentity,
  place: Pick<PolicyArgument, 'index' | 'name' | 'width'>,
): fc.Arbitrary<PolicyArgument> {
  const value = fc.oneof(
    fc.bigInt({ min: 0n, max: 0x1ffn }),
    // Registers of i386 hold no more than 32 bits.
    fc.bigInt({ min: 0n, max: (1n << BigInt(arch === 'i386' ? 32 : place.width)) - 1n }),
  );
  return fc
    .record({
      values: fc.array(value, { minLength: 1, maxLength: 4 }),
      free: fc.oneof(fc.constant(0n), value),
    })
    .map(({ values, free }) => createArgument({ ...place, values, free }));
}

/** Any text: it is quoted. */
function hostileText(): fc.Arbitrary<string> {
  return fc.oneof(
    printableText(),
    fc.string({ unit: 'binary', maxLength: 8 }),
    fc.constantFrom('\u0000\u001b[2J', '\ud800', '\udfff\u2028', '\u202e', '"\\\n'),
  );
}

/** What documents let through: no control characters, but all that YAML and comments stumble over. */
function printableText(): fc.Arbitrary<string> {
  return fc.oneof(
    fc
      .string({ unit: 'grapheme', maxLength: 12 })
      .map((text) => text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, '_')),
    fc.constantFrom(
      '',
      'null',
      'true',
      '0600',
      '1e3',
      '0x10',
      '- a',
      '# a',
      'a # b',
      'a: b',
      "'",
      '"',
      '`a`',
      '@a',
      '%a',
      '&a',
      '*a',
      '!a',
      '|',
      '>',
      '~',
      '[',
      '{',
      '\\',
      '__proto__',
      ' a ',
      'a; b',
      '<<',
      '=',
      '?',
      ':',
      'a:',
      '.inf',
      '2001-01-01',
    ),
  );
}
