import { syscallNumber } from '../abi/syscalls.ts';
import { FormatError, UsageError } from '../base/errors.ts';
import type { Importer } from './importer.ts';
import { allowAll, draftArch, finishPolicy, importedFrom } from './policy-draft.ts';
import { Remarks } from './remarks.ts';
import { decodeText, quoteText } from './text-input.ts';

/** Rank, image, four or five counts, and the names that are denied as Python prints a set. */
const ROW = /^[^;\n]*;([^;\n]*);(?:[0-9]+;){4,6}(?:set\()?[[{]([^\]}\n]*)[\]}]\)?\s*$/;

/**
 * The report of Confine, `profile.report.details.csv`: a row for each image with the calls that it denies.
 *
 * Of several images the one is taken that `--program` names. The profile that it writes for an image, `IMAGE.seccomp.json`, is of
 * the format `oci`. Source: createProfiles.py.
 */
export const CONFINE_IMPORTER: Importer = {
  name: 'confine',
  description: "what Confine denies, a row for each image of its report's details (policy)",
  recognises: (_, text) => ROW.test(text.slice(0, 65536).split('\n', 1)[0] ?? ''),
  read: (input) => {
    const remarks = new Remarks();
    const rows = decodeText(input.bytes)
      .split('\n')
      .flatMap((line) => {
        const [, image, names] = ROW.exec(line) ?? [];
        return image === undefined ? [] : [{ image, names: names ?? '' }];
      });
    const wanted =
      input.program === null ? rows.slice(0, 1) : rows.filter(({ image }) => image === input.program);
    const row = wanted[0];
    if (rows.length === 0) throw new FormatError(`${input.source}: no rows as Confine writes them`);
    if (row === undefined || (rows.length > 1 && input.program === null)) {
      const images = rows.map(({ image }) => image).slice(0, 20);
      throw new UsageError(
        `${input.source}: which image is meant, of ${quoteText(images.join(', '))} (--program)`,
      );
    }
    const draft = draftArch(input.arch);
    allowAll(draft);
    remarks.add('the report lists what is denied: every call that has a name is allowed but for these');
    for (const [, name] of row.names.matchAll(/['"]([a-z0-9_]+)['"]/g)) {
      const nr = syscallNumber(input.arch, name!);
      if (nr === null) remarks.add(`names that ${input.arch} does not have are left out`, quoteText(name!));
      else draft.allowed.delete(nr);
    }
    return finishPolicy(
      [draft],
      { onViolation: 'errno:EPERM', why: importedFrom(input.source, 'confine'), source: input.source },
      remarks,
    );
  },
};
