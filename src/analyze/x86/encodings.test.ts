import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { encodingFile } from './testing/encoding-file.ts';

const PATH = join(import.meta.dirname, 'generated/encodings.ts');

it('the generated encodings are what iced-x86 decodes', () => {
  const want = encodingFile();
  if (process.env['UPDATE_ENCODINGS'] !== undefined) writeFileSync(PATH, want);
  // A string of half a thousand lines makes no readable difference.
  const lines = new Set(readFileSync(PATH, 'utf8').split('\n'));
  expect(want.split('\n').filter((line) => !lines.has(line))).toEqual([]);
  expect(readFileSync(PATH, 'utf8').length).toBe(want.length);
}, 300_000);
