import { FormatError, UsageError } from '../base/errors.ts';
import { AUDIT_IMPORTER } from './audit.ts';
import { CALLANDER_IMPORTER } from './callander.ts';
import { CBPF_IMPORTER } from './cbpf.ts';
import { CHESTNUT_IMPORTER } from './chestnut.ts';
import { CONFINE_IMPORTER } from './confine.ts';
import type { Importer } from './importer.ts';
import { NAME_LIST_IMPORTER } from './name-list.ts';
import { NUMBER_LINES_IMPORTER } from './number-lines.ts';
import { NUMBER_LIST_IMPORTER } from './number-list.ts';
import { OCI_IMPORTER } from './oci.ts';
import { refuseOwnFile } from './own-file.ts';
import { STRACE_IMPORTER } from './strace.ts';
import { SYSFILTER_IMPORTER } from './sysfilter.ts';
import { SYSTEMD_IMPORTER } from './systemd.ts';
import { TEMPORAL_IMPORTER } from './temporal.ts';
import { decodeText } from './text-input.ts';

/** Every format that can be read, those that are easiest to tell first. */
export const IMPORTERS: readonly Importer[] = [
  CBPF_IMPORTER,
  OCI_IMPORTER,
  SYSFILTER_IMPORTER,
  CHESTNUT_IMPORTER,
  // Its lines may begin with a number in brackets, as a list in JSON does.
  STRACE_IMPORTER,
  NUMBER_LIST_IMPORTER,
  AUDIT_IMPORTER,
  SYSTEMD_IMPORTER,
  CONFINE_IMPORTER,
  TEMPORAL_IMPORTER,
  CALLANDER_IMPORTER,
  NUMBER_LINES_IMPORTER,
  NAME_LIST_IMPORTER,
];

/** @throws UsageError if there is no such format */
export function findImporter(name: string): Importer {
  const found = IMPORTERS.find((importer) => importer.name === name);
  if (found !== undefined) return found;
  throw new UsageError(`format: no such format, ${JSON.stringify(name)} (${listNames()}, auto)`);
}

/**
 * The importer that reads a file: that of a name, or the one that recognises it.
 *
 * @throws FormatError if the file is callgate's own, or is empty or looks like none of the formats; UsageError if
 * no format has the name
 */
export function chooseImporter(bytes: Uint8Array, source: string, name: string | null): Importer {
  if (name === null) return detectImporter(bytes, source);
  const named = findImporter(name);
  refuseOwnFile(decodeText(bytes), source);
  return named;
}

/** @throws FormatError if the file is empty, callgate's own, or looks like none of the formats */
export function detectImporter(bytes: Uint8Array, source: string): Importer {
  if (bytes.length === 0) throw new FormatError(`${source}: it is empty`);
  const text = decodeText(bytes);
  refuseOwnFile(text, source);
  const found = IMPORTERS.find((importer) => importer.recognises(bytes, text));
  if (found !== undefined) return found;
  throw new FormatError(`${source}: format not recognised (${listNames()})`);
}

function listNames(): string {
  return IMPORTERS.map(({ name }) => name).join(', ');
}
