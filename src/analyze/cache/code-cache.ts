import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { VERSION } from '../../base/version.ts';
import { analyzeObject } from '../code/analyze-object.ts';
import type { CodeSource } from '../graph/program-graph.ts';
import { decodeCode, encodeCode } from './code-entry.ts';
import type { EntryStore } from './entry-store.ts';

/** Set in bundles: a digest of all code that a result depends on. */
declare const CALLGATE_CODE: string | undefined;

/**
 * Which code made an entry, so that two builds of one version keep apart: a digest in a bundle, else size and time of this file.
 */
export function codeVersion(): string {
  if (typeof CALLGATE_CODE === 'string') return `${VERSION} ${CALLGATE_CODE}`;
  const { size, mtimeMs } = statSync(fileURLToPath(import.meta.url));
  return `${VERSION} ${size} ${mtimeMs}`;
}

/**
 * Takes the code of an object from a store, or reads it and keeps it there.
 *
 * The key is all that the result depends on: the file's content, the part that it plays, and how the program is linked.
 */
export function cachedSource(store: EntryStore): CodeSource {
  const version = codeVersion();
  return (image, view) => {
    const { file } = image.objects[view.index] as (typeof image.objects)[number];
    const content = createHash('sha256').update(file.elf.bytes).digest('hex');
    const key = ['code', version, content, file.role, image.loadSet.libc].join(' ');
    const bytes = store.read(key);
    const known = bytes === null ? null : decodeCode(bytes);
    if (known !== null) return known;
    const code = analyzeObject(image, view);
    store.write(key, encodeCode(code));
    return code;
  };
}
