import { describe, expect, it } from 'vitest';
import { formatFields, formatTable, wrapPieces, wrapText } from './table.ts';

describe('formatTable', () => {
  it('aligns cells and leaves no spaces at the end of a line', () => {
    const columns = [{ title: 'NAME' }, { title: 'COUNT', align: 'right' as const }, { title: 'NOTE' }];
    expect(formatTable(columns, [['ä🙂', '12', 'x'], ['longer', '3'], []], '  ')).toEqual([
      '  NAME    COUNT  NOTE',
      '  ä🙂         12  x',
      '  longer      3',
      '',
    ]);
  });
});

describe('formatFields', () => {
  it('sets the values below one another', () => {
    expect(
      formatFields([
        ['run', 'a'],
        ['', 'b'],
        ['programs', ''],
      ]),
    ).toEqual(['run       a', '          b', 'programs']);
  });
});

describe('wrapText', () => {
  it('breaks at spaces only', () => {
    expect(wrapText('one two three-and-more four', 8)).toEqual(['one two', 'three-and-more', 'four']);
  });

  it('has no lines for no text', () => {
    expect(wrapText('', 8)).toEqual([]);
  });
});

describe('wrapPieces', () => {
  it('begins the second and later lines with the hanging indent', () => {
    expect(wrapPieces(['a: ', 'bb, ', 'cc, ', 'dddddd'], 7, '  ')).toEqual(['a: bb,', '  cc,', '  dddddd']);
  });
});
