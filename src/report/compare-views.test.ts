import { describe, expect, it } from 'vitest';
import { compareSources } from '../compare/compare.ts';
import type { Comparison } from '../compare/source.ts';
import { allowing, inputOf, observed, possible, serverProfile } from '../compare/testing/inputs.ts';
import { sampleProfile } from '../profile/testing/sample-profile.ts';
import { formatComparisonCsv, formatComparisonSummaryCsv } from './compare-csv.ts';
import { formatComparisonHtml } from './compare-html.ts';
import { formatComparisonJson, type ComparisonDocument } from './compare-json.ts';
import { formatComparisonMarkdown } from './compare-markdown.ts';
import { formatComparison } from './compare-text.ts';
import { hostileProfile } from './testing/server-profile.ts';

const TRUTH = { references: [observed('suite', ['read', 'write', 'openat'], 20)] };

const sample = (): Comparison =>
  compareSources(
    [
      observed('trace', ['read', 'write'], 2),
      possible('code', ['read', 'openat', 'ptrace'], 0.5),
      allowing('policy', { setup: ['read', 'write', 'bind'], main: ['read'] }),
    ],
    TRUTH,
  );

describe('text', () => {
  it('has the sets, how they agree with the reference, and the matrix', () => {
    expect(formatComparison(sample(), 100, false))
      .toBe(`#  SOURCE  KNOWN AS  PHASE  CALLS     BLOCKED   SHARE  ONLY
1  trace   observed  all        2  375 of 377  99.5 %     0
2  code    possible  all        3  374 of 377  99.2 %     2
3  policy  policy    all        3  353 of 356  99.2 %     1
4                    setup      3  353 of 356  99.2 %     1
5                    main       1  355 of 356  99.7 %     0

against suite, 3 calls:
#  SOURCE         PRECISION  RECALL     F1  MISSED  EXTRA  RUNS    TIME
1  trace              1.000   0.667  0.800       1      0     1     2 s
2  code               0.667   0.667  0.667       1      1     1  500 ms
3  policy             0.667   0.667  0.667       1      1     -       -
4  policy: setup      0.667   0.667  0.667       1      1     -       -
5  policy: main       1.000   0.333  0.500       2      0     -       -
1 misses openat
2 misses write
3 misses openat
4 misses openat
5 misses openat write

x in, * only in this source, . not in, ! not in, but in the reference (R)
CALL    R  1  2  3  4  5
bind    .  .  .  *  *  .
openat  x  !  *  !  !  !
ptrace  .  .  *  .  .  .
read    x  x  x  x  x  x
write   x  x  !  x  x  !

5 calls in 3 sources and 5 sets
`);
  });

  it('tells the time beside the sizes without a reference, and names other arches', () => {
    const text = formatComparison(
      compareSources([inputOf('server', serverProfile()), observed('b', ['read'])]),
      100,
      false,
    );
    expect(text).toContain('BLOCKED   SHARE  ONLY  RUNS   TIME\n');
    expect(text).toMatch(/^1 {2}server {2}observed {2}all {7}11 {2}.* 1 {2}2\.9 s$/m);
    expect(text).toContain('\ncalls of i386: 1 in set 1, 1 in set 2\n');
    expect(text).toContain('l only to start the program, not counted\n');
    expect(text).toMatch(/^x86_64:600 {2}\* {2}\* {2}\. {2}\.$/m);
  });

  it.each([80, 100, 120])('fits %i columns with ten sources of three columns each', (width) => {
    const inputs = Array.from({ length: 10 }, (_, index) =>
      inputOf(`a source with a very long name, number ${index}`, serverProfile()),
    );
    const comparison = compareSources(inputs, { references: [observed('r', ['read'])] });
    const lines = formatComparison(comparison, width, false).split('\n');
    expect(lines.filter((line) => [...line].length > width)).toEqual([]);
    const heads = lines.filter((line) => line.startsWith('CALL '));
    expect(heads.length).toBe(2);
    expect(heads.join(' ').match(/[0-9]+/g)).toHaveLength(30);
  });

  it('colours cells only if asked to', () => {
    const [plain, coloured] = [false, true].map((isColoured) => formatComparison(sample(), 100, isColoured));
    expect(plain).not.toContain('\u001b');
    expect(coloured).toContain('\u001b[1;33m*\u001b[0m');
    expect(coloured).toContain('\u001b[1;31m!\u001b[0m');
    expect(coloured?.replaceAll(/\u001b\[[0-9;]*m/g, '')).toBe(plain);
  });

  it('says so if there is no call', () => {
    expect(formatComparison(compareSources([inputOf('empty', sampleProfile([]))]), 80, false)).toContain(
      '\nno calls\n\n0 calls in 1 source and 1 set\n',
    );
  });
});

describe('JSON', () => {
  it('has the matrix with its sets, their shares and accuracy', () => {
    const text = formatComparisonJson(sample(), { phase: 'main' });
    const document = JSON.parse(text) as ComparisonDocument;
    expect(document).toMatchObject({
      format: 'callgate-comparison',
      version: 1,
      filter: { phase: 'main', program: null },
      native: 'x86_64',
      arches: ['x86_64'],
      reference: { labels: ['suite'], size: 3 },
    });
    expect(document.sets.map(({ label, size }) => [label, size])).toEqual([
      ['trace', 2],
      ['code', 3],
      ['policy', 3],
      ['policy: setup', 3],
      ['policy: main', 1],
    ]);
    expect(document.calls[1]).toEqual({
      arch: 'x86_64',
      nr: 257,
      name: 'openat',
      sources: 1,
      reference: true,
      cells: ['out', 'only', 'out', 'out', 'out'],
    });
  });
});

describe('CSV', () => {
  it('is the matrix, one call a row', () => {
    expect(formatComparisonCsv(sample()))
      .toBe(`call,arch,nr,sources,reference,trace,code,policy,policy: setup,policy: main
bind,x86_64,49,1,out,out,out,only,only,out
openat,x86_64,257,1,in,out,only,out,out,out
ptrace,x86_64,101,1,out,out,only,out,out,out
read,x86_64,0,3,in,in,in,in,in,in
write,x86_64,1,2,in,in,out,in,in,out
`);
  });

  it('is the sets, one a row', () => {
    const [head, first, , , , last] = formatComparisonSummaryCsv(sample()).split('\n');
    expect(head).toMatch(/^source,phase,known_as,format,calls,.*,missed_calls$/);
    expect(first).toBe(
      'trace,,observed,callgate,2,2,375,377,0,1,0.6666666666666666,0.8,1,0,1,2000000000,2000000000,openat',
    );
    expect(last).toBe(
      'policy,main,policy,callgate,1,1,355,356,0,1,0.3333333333333333,0.5,2,0,,,,openat write',
    );
  });

  it('has no cell that a spreadsheet would run', () => {
    const csv = formatComparisonCsv(
      compareSources([observed('=HYPERLINK("x"),1', ['read']), observed('@b', [])]),
    );
    expect(csv.split('\n')[0]).toBe(`call,arch,nr,sources,"'=HYPERLINK(""x""),1",'@b`);
  });
});

describe('Markdown', () => {
  it('has two tables and the missed calls', () => {
    const text = formatComparisonMarkdown(sample());
    expect(text).toContain('Reference: suite (3 calls)\n\n| Source | Known as | Calls |');
    expect(text).toContain(
      '| trace | observed | 2 | 375 of 377 | 99.5 % | 0 | 1.000 | 0.667 | 0.800 | 1 | 0 | 1 | 2 s |\n',
    );
    expect(text).toContain('- policy\\: main misses `openat`, `write`\n');
    expect(text).toContain(
      '| `openat` | x | **missed** | **only** | **missed** | **missed** | **missed** |\n',
    );
  });

  it('takes no name for markup', () => {
    const text = formatComparisonMarkdown(compareSources([observed('a|b <img> [x](y) `c` *d*', ['read'])]));
    expect(text).toContain('| a\\|b &lt;img&gt; \\[x\\]\\(y\\) \\`c\\` \\*d\\* | observed |');
  });
});

describe('HTML', () => {
  it('has every set, the missed calls and the matrix, and loads nothing', () => {
    const page = formatComparisonHtml(sample());
    expect(page).toContain('<th scope="row">policy: main</th><td>policy</td><td class="number">1</td>');
    expect(page).toContain('<li>policy: main: <code>openat</code>, <code>write</code></li>');
    expect(page).toContain(
      '<th scope="row">openat</th><td class="in">in</td><td class="missed">missed</td><td class="only">only here</td>',
    );
    expect(page).toContain("default-src 'none'; style-src 'sha256-");
    expect(page).not.toMatch(/<script|https?:|src=|href=/);
  });
});

describe('hostile names', () => {
  const evil = '"><script>alert(1)</script>\u001b[31m\u202e\u0000\nx\ud800\\xff|=1';
  const comparison = compareSources(
    [{ ...inputOf(evil, hostileProfile()), remarks: [evil] }, observed('b', ['read'])],
    { references: [observed(`${evil} too`, ['ptrace'])] },
  );

  it.each([
    ['text', formatComparison(comparison, 100, false)],
    ['CSV', formatComparisonCsv(comparison)],
    ['summary', formatComparisonSummaryCsv(comparison)],
    ['JSON', formatComparisonJson(comparison)],
    ['Markdown', formatComparisonMarkdown(comparison)],
    ['HTML', formatComparisonHtml(comparison)],
  ])('do not reach the reader of %s as they are', (_, text) => {
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u);
    expect(text).not.toContain('x\ny');
  });

  it('do not open an element of the page, nor leave an attribute', () => {
    const page = formatComparisonHtml(comparison);
    expect(page).not.toContain('<script');
    expect(page).toContain(
      '&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[31m\\u202e\\x00\\nx\\ud800\\xff|=1',
    );
    const markdown = formatComparisonMarkdown(comparison);
    expect(markdown).not.toContain('<script');
  });

  it('stay whole in JSON', () => {
    const document = JSON.parse(formatComparisonJson(comparison)) as ComparisonDocument;
    expect(document.sources[0]?.label).toBe(evil);
  });
});
