import { symlinkSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { Tree } from '../load/testing/tree.ts';
import { RecordingRoot } from './recording-root.ts';

describe('RecordingRoot', () => {
  it('tells what was not there from what can no longer be looked at', () => {
    using tree = new Tree();
    const first = new RecordingRoot(tree.folder);
    expect([first.realPath('/place'), first.isAbsent('/place')]).toEqual([null, true]);
    const records = first.records() ?? [];
    expect(records).toEqual([{ path: '/place', isList: false, state: null }]);
    expect(new RecordingRoot(tree.folder).isUnchanged(records)).toBe(true);
    symlinkSync('place', tree.path('/place'));
    expect(new RecordingRoot(tree.folder).isUnchanged(records)).toBe(false);
  });
});
