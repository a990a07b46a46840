import { isDate, isUint8Array } from 'node:util/types';
import { checkOptions, requireText, wrongType, type Checks } from '../base/option-checks.ts';
import type { Imported } from './importer.ts';

/** What is known of a file beside its bytes. */
export interface ImportOptions {
  /** Name of the format as on the command line; found out from the bytes unless given. */
  readonly format?: string;
  /** Names the file in errors, and in what is made of it; default `input`. */
  readonly source?: string;
  /** When the file was written, for formats without times; default now. */
  readonly written?: Date;
  /** Path of the program that the file is about, for formats that do not name it. */
  readonly program?: string;
}

const IMPORT_CHECKS: Checks = {
  format: requireText,
  source: requireText,
  written: requireDate,
  program: requireText,
};

/**
 * Reads what another tool has written, as a policy or a profile, as `callgate import` does.
 *
 * The importers are loaded when it is called.
 *
 * @throws UsageError if there is no such format or option, or for what is no bytes
 * @throws FormatError if the bytes are of no format, of another than the one that is given, or callgate's own
 */
export async function importBytes(bytes: Uint8Array, options: ImportOptions = {}): Promise<Imported> {
  if (!isUint8Array(bytes))
    throw wrongType('importBytes', 'bytes', 'a Uint8Array, such as readFileSync(path) gives', bytes);
  checkOptions('importBytes', options, IMPORT_CHECKS);
  const { format = null, source = 'input', written = new Date(), program = null } = options;
  const [{ chooseImporter }, { nativeArch }] = await Promise.all([
    import('./importers.ts'),
    import('./profile-draft.ts'),
  ]);
  return chooseImporter(bytes, source, format).read({
    bytes,
    source,
    arch: nativeArch(process.arch) ?? 'x86_64',
    written: written.toISOString(),
    program,
  });
}

function requireDate(who: string, name: string, value: unknown): void {
  if (!isDate(value) || Number.isNaN(value.getTime())) throw wrongType(who, name, 'a Date', value);
}
