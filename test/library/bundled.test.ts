import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run, temporaryDirectory } from '../support/callgate.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LIBRARY = join(ROOT, 'dist', 'index.js');

const directory: ReturnType<typeof temporaryDirectory> = temporaryDirectory();

/** The packages as a program has them that has installed callgate. */
beforeAll(() => {
  const modules = join(directory.path, 'node_modules');
  mkdirSync(modules);
  symlinkSync(ROOT, join(modules, 'callgate'));
  for (const name of ['koffi', 'yaml', 'ajv'])
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
});

afterAll(() => directory[Symbol.dispose]());

/** What a program that traces says after it has been bundled, with callgate taken into it or not. */
async function bundled(format: 'esm' | 'cjs', isExternal: boolean): Promise<string> {
  const outfile = join(directory.path, `${format}-${isExternal}.${format === 'esm' ? 'mjs' : 'cjs'}`);
  const name = isExternal ? 'callgate' : LIBRARY;
  await build({
    stdin: {
      contents: `import { trace } from ${JSON.stringify(name)};
trace({ command: ['true'] }).then(({ exit }) => console.log(exit.code), (error) => console.log(error.name, error.message));`,
      resolveDir: ROOT,
    },
    outfile,
    bundle: true,
    platform: 'node',
    format,
    external: isExternal ? ['callgate'] : ['koffi', 'yaml', 'ajv'],
    logLevel: 'silent',
  });
  return run(process.execPath, [outfile]).stdout;
}

describe('a program that was bundled', () => {
  it.each(['esm', 'cjs'] as const)('is told to leave callgate out, as %s', async (format) => {
    expect(await bundled(format, false)).toBe(
      'TracerError tracer: the code of the tracing thread is not beside the library, which must not be bundled (keep the package callgate external)\n',
    );
  });

  it.each(['esm', 'cjs'] as const)('traces with callgate left out, as %s', async (format) => {
    expect(await bundled(format, true)).toBe('0\n');
  });
});
