import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findRepeatedKey } from './json-keys.ts';

describe('keys of JSON', () => {
  it.each([
    ['{"a":1,"a":2}', { key: 'a', line: 1 }],
    ['{"a":{"b":1},\n"c":[{"d":1,\n"d":2}]}', { key: 'd', line: 3 }],
    ['{"a":1,"\\u0061":2}', { key: 'a', line: 1 }],
    ['{"a\\"":1,"a\\"":2}', { key: 'a"', line: 1 }],
    ['{"\\\\":1,"b":"\\\\","b":2}', { key: 'b', line: 1 }],
    ['{"":1,"":2}', { key: '', line: 1 }],
    ['{"__proto__":1,"__proto__":2}', { key: '__proto__', line: 1 }],
    ['{"a":["b","b"],"b":"a"}', null],
    ['[{"a":1},{"a":1}]', null],
    ['{"a":{"a":{"a":"a"}}}', null],
    ['{"a":"{\\"b\\":1,\\"b\\":2}","b":1}', null],
    ['"a"', null],
    ['7', null],
  ])('of %s: %o', (text, want) => {
    expect(findRepeatedKey(text)).toEqual(want);
  });

  it('are each there once in what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 2), (value, indent) => {
        expect(findRepeatedKey(JSON.stringify(value, null, indent))).toBeNull();
      }),
    );
  });
});
