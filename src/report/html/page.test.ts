import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { serverProfile } from '../testing/server-profile.ts';
import { toPageData } from './page-data.ts';
import { contentSecurityPolicy, embedJson, formatPage } from './page.ts';

const ASSETS = { script: 'let a = 1;', style: 'a { color: red }', licences: 'A <b> & "c"' };

describe('page', () => {
  test('data is JSON that cannot end its element, and the same after it is read', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.jsonValue(), fc.string({ unit: 'binary' }), fc.constant('</script><!--')),
        (value) => {
          const text = embedJson(value);
          expect(text).not.toMatch(/[<\u2028\u2029\u0000-\u0009\u000b-\u001f]/);
          expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        },
      ),
    );
  });

  test('script and style run by their hashes, and nothing else does', () => {
    const policy = contentSecurityPolicy(ASSETS, false).split('; ');
    const hash = createHash('sha256').update(ASSETS.script).digest('base64');
    expect(policy).toContain(`script-src 'sha256-${hash}'`);
    expect(policy).toContain("default-src 'none'");
    expect(policy.join()).not.toMatch(/unsafe|connect-src|\*|https?:/);
    expect(contentSecurityPolicy(ASSETS, true)).toContain("connect-src 'self'");
  });

  test('the same documents give the same bytes', () => {
    const make = (): string =>
      formatPage(toPageData([{ kind: 'profile', label: 'a', profile: serverProfile() }]), ASSETS);
    expect(make()).toBe(make());
    expect(make()).toContain('A &lt;b> &amp; &quot;c&quot;');
  });

  test.each([
    ['script', { ...ASSETS, script: 'x = "</script>"' }],
    ['script', { ...ASSETS, script: 'x = "<!--"' }],
    ['style', { ...ASSETS, style: '</style>' }],
  ])('a %s that would end its own element is refused', (what, assets) => {
    expect(() => formatPage(toPageData([]), assets)).toThrow(`page: the ${what} would end its own element`);
  });
});
