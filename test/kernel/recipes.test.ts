import { chmodSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CALLGATE, start, temporaryDirectory } from '../support/callgate.ts';

const TEXT: string = readFileSync(new URL('../../docs/recipes.md', import.meta.url), 'utf8');

interface Recipe {
  readonly title: string;
  readonly script: string;
  /** Lines that it prints, without their numbers. */
  readonly lines: readonly string[];
}

const recipes: readonly Recipe[] = TEXT.split(/^## /m)
  .slice(1)
  .map((section) => ({
    title: section.slice(0, section.indexOf('\n')),
    script: /^```sh\n(.*?)^```$/ms.exec(section)?.[1] ?? '',
    lines: (/^```text\n(.*?)^```$/ms.exec(section)?.[1] ?? '')
      .split('\n')
      .filter(Boolean)
      .map(withoutNumbers),
  }));

function withoutNumbers(line: string): string {
  return line.replaceAll(/\b[0-9][0-9,.]*\b/g, 'N');
}

describe('the recipe', () => {
  it('is there for four programs', () => {
    expect(recipes.map(({ lines }) => lines.length > 3)).toEqual([true, true, true, true]);
  });

  it.each(recipes)('for $title does what it says', { timeout: 240_000 }, async ({ script, lines }) => {
    using directory = temporaryDirectory();
    // nginx' workers give up root and must be able to enter.
    chmodSync(directory.path, 0o755);
    const settings = `cd ${directory.path}; export TMPDIR=$PWD PATH=${dirname(CALLGATE)}:$PATH`;
    const running = start(['-c', `${settings}\n${script}`], '/bin/sh');
    const { stdout, stderr } = await running.end;
    const printed = `${stdout}\n${stderr}`.split('\n').map(withoutNumbers);
    for (const line of lines) {
      const isPrinted = line.endsWith(' ...')
        ? printed.some((one) => one.startsWith(line.slice(0, -4)))
        : printed.includes(line);
      expect(isPrinted, `${line}\nis not in\n${printed.join('\n')}`).toBe(true);
    }
  });
});
