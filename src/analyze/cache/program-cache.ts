import { release, version } from 'node:os';
import type { EntryStore } from './entry-store.ts';
import { codeVersion } from './code-cache.ts';
import type { FileRecord, RecordingRoot } from './recording-root.ts';

interface Kept {
  readonly files: readonly FileRecord[];
  readonly result: unknown;
}

/**
 * A result about one program, as long as no file that it rests on has changed.
 *
 * @param question all else that the result depends on: path and options.
 */
export function recallResult(store: EntryStore, root: RecordingRoot, question: string): unknown {
  const bytes = store.read(keyOf(root, question));
  if (bytes === null) return null;
  // The checksum has vouched for the content.
  const { files, result } = JSON.parse(Buffer.from(bytes).toString()) as Kept;
  return root.isUnchanged(files) ? result : null;
}

/** Keeps a result with all files that were looked at through the root. */
export function keepResult(store: EntryStore, root: RecordingRoot, question: string, result: unknown): void {
  const files = root.records();
  if (files === null) return;
  const kept: Kept = { files, result };
  store.write(keyOf(root, question), Buffer.from(JSON.stringify(kept)));
}

/** The kernel is part of it, for the vDSO is. */
function keyOf(root: RecordingRoot, question: string): string {
  return [
    'program',
    codeVersion(),
    release(),
    version(),
    process.getuid?.() ?? '',
    root.directory,
    question,
  ].join('\0');
}
