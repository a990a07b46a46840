import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { EXPORTERS } from '../../src/export/exporters.ts';
import { IMPORTERS } from '../../src/import/importers.ts';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

test('every format is described, and in the help of its command', () => {
  const page = read('docs/formats/exports.md');
  const [exports = '', own = ''] = page.split('## Formats to import');
  const imports = own + read('docs/formats/imports.md');
  for (const { name } of EXPORTERS) {
    expect(exports.split(`\`${name}\``).length, name).toBeGreaterThan(2);
    expect(read('src/cli/export-command.ts')).toMatch(new RegExp(`\\b${name}\\b`));
  }
  for (const { name } of IMPORTERS) {
    expect(imports).toContain(`\`${name}\``);
    expect(read('src/cli/import-command.ts')).toMatch(new RegExp(`^  ${name} `, 'm'));
  }
});
