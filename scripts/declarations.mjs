// Completes the declarations of the library. That they need those of Node has to stand in them: from TypeScript 7 on no package of @types is
// loaded that nobody names, and what is made of Node's types would be any without a word.
//
// Writes what TypeScript reads for require('callgate'): the same types as for import, by way of it. Node loads the same modules for both, but a
// declaration that counts as an ES module cannot be required by TypeScript's modes node16 and node18.
import { readFileSync, writeFileSync } from 'node:fs';
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

const NODE = '/// <reference types="node" />\n';
const imported = join(dist, 'index.d.ts');
writeFileSync(imported, NODE + readFileSync(imported, 'utf8').replace(NODE, ''));

writeFileSync(
  join(dist, 'index.d.cts'),
  `${NODE}import type * as library ${IMPORTED};
export type * ${IMPORTED};
${lines.join('\n')}
`,
);
