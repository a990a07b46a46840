// Writes what TypeScript reads for require('callgate'): the same types as for import, by way of it. Node loads the same modules for both, but a
// declaration that counts as an ES module cannot be required by TypeScript's modes node16 and node18.
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const dist = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist');
const library = await import(join(dist, 'index.js'));

const IMPORTED = `from './index.js' with { 'resolution-mode': 'import' }`;

const lines = Object.entries(library).flatMap(([name, value]) => {
  const line = `export declare const ${name}: typeof library.${name};`;
  // A class is a type as well.
  const isClass = typeof value === 'function' && /^class\b/.test(value.toString());
  return isClass ? [line, `export type ${name} = library.${name};`] : [line];
});

writeFileSync(
  join(dist, 'index.d.cts'),
  `import type * as library ${IMPORTED};
export type * ${IMPORTED};
${lines.join('\n')}
`,
);
