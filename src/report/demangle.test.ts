import { execFileSync } from 'node:child_process';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Demangler } from './demangle.ts';

const LIBRARY = '/usr/lib/x86_64-linux-gnu/libstdc++.so.6';

const demangler = new Demangler();

describe('demangled names', () => {
  it.each([
    ['_ZNSt6vectorIiSaIiEE9push_backERKi', 'std::vector<int, std::allocator<int> >::push_back(int const&)'],
    ['_ZN4core3fmt9Formatter3pad17h9b2b3a0e5b4d1b31E', 'core::fmt::Formatter::pad'],
    ['_RNvCskwGfYPst2Cb_3foo16example_function', 'foo::example_function'],
    ['main', 'main'],
    ['_Zebra', '_Zebra'],
    ['__libc_start_main', '__libc_start_main'],
  ])('of %s is %s', (name, want) => {
    expect(demangler.demangle(name)).toBe(want);
  });

  it('are those of c++filt for most of the names that libstdc++ exports, which differs in abbreviations only', () => {
    const listed = execFileSync('nm', ['-D', '--defined-only', LIBRARY], { encoding: 'utf8' });
    const names = [...new Set(listed.match(/\b_Z\w+/g))].filter((_, index) => index % 10 === 0);
    const want = execFileSync('c++filt', { input: names.join('\n'), encoding: 'utf8' })
      .trim()
      .split('\n');
    const same = names.filter((name, index) => demangler.demangle(name) === want[index]);
    expect(names.length).toBeGreaterThan(300);
    expect(names.filter((name) => demangler.demangle(name) === name)).toEqual([]);
    expect(same.length / names.length).toBeGreaterThan(0.75);
  });

  it('of any text are some text', () => {
    const texts = fc.tuple(fc.constantFrom('_Z', '_ZN', '_R', '_ZNK1aI'), fc.string({ maxLength: 60 }));
    fc.assert(
      fc.property(texts, ([start, rest]) => {
        expect(typeof demangler.demangle(start + rest)).toBe('string');
      }),
    );
    expect(demangler.demangle(`_Z${'N1a'.repeat(1000)}`)).toMatch(/./);
    expect(demangler.demangle(`_Z1f${'P'.repeat(4000)}i`)).toMatch(/./);
  });
});
