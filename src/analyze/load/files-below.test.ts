import { describe, expect, it } from 'vitest';

import { filesBelow } from './files-below.ts';
import { Tree } from './testing/tree.ts';

describe('filesBelow', () => {
  it('gives each file once, and directories last', () => {
    using tree = new Tree({
      '/a/b/two': '',
      '/a/one': '',
      '/a/again': { link: 'one' },
      '/a/b/up': { link: '..' },
      '/a/gone': { link: 'nowhere' },
    });
    expect(filesBelow(tree.root(), '/a')).toEqual({ files: ['/a/again', '/a/b/two'], problems: [] });
    expect(filesBelow(tree.root(), '/none')).toEqual({ files: [], problems: [] });
  });

  it('says what cannot be looked at, once for a directory', () => {
    using tree = new Tree({ '/a/one': '', '/a/x': { link: 'x' }, '/a/y': { link: 'y' } });
    expect(filesBelow(tree.root(), '/a')).toEqual({
      files: ['/a/one'],
      problems: ['what is in /a cannot be looked at, ELOOP'],
    });
    expect(filesBelow(tree.root(), '/a/x').problems).toEqual(['/a/x cannot be looked at, ELOOP']);
  });

  it('says that it stopped at a number of files, unless nothing was left', () => {
    using tree = new Tree({ '/a/1': '', '/a/2': '', '/a/b/3': '' });
    expect(filesBelow(tree.root(), '/a', 1)).toEqual({
      files: ['/a/1', '/a/2'],
      problems: ['/a has more than 1 files, and those in /a/b and others were left out'],
    });
    expect(filesBelow(tree.root(), '/a/b', 0).problems).toEqual([]);
    expect(filesBelow(tree.root(), '/a').problems).toEqual([]);
  });
});
