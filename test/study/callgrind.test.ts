import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { analyzeProgram } from '../../src/analyze/analyze.ts';
import { readCallgrind } from '../../src/study/soundness/callgrind.ts';
import { compareCode } from '../../src/study/soundness/missed-code.ts';
import { reachableCode } from '../../src/study/soundness/reachable.ts';
import { loadWorkload } from '../../src/study/workload/load.ts';
import { runWorkload, workloadFailures, workloadFiles } from '../../src/study/workload/run.ts';
import { callgrindRunner } from '../../src/study/workload/runners.ts';
import { run, temporaryDirectory } from '../support/callgate.ts';

const LIMIT = 300_000;

/** vaddrs of all instructions that objdump sees in an object. */
function instructionsOf(file: string): ReadonlySet<number> {
  const { stdout } = run('objdump', ['-d', '--no-show-raw-insn', file]);
  return new Set([...stdout.matchAll(/^ +([0-9a-f]+):\t/gmu)].map((match) => Number(`0x${match[1]}`)));
}

describe('what callgrind saw of ls', () => {
  it(
    'are instructions that objdump sees too, in the program and in every library',
    { timeout: LIMIT },
    async () => {
      using directory = temporaryDirectory();
      const workload = loadWorkload(join(import.meta.dirname, '../../workloads/ls.yaml'));
      const result = await runWorkload(workload, callgrindRunner(), {
        output: directory.path,
        cases: ['plain'],
      });
      expect(workloadFailures(result)).toEqual([]);
      const executed = new Map<string, Set<number>>();
      for (const file of workloadFiles(result).filter((name) => name.endsWith('.callgrind'))) {
        readCallgrind(readFileSync(file, 'latin1'), executed);
      }
      const names = [...executed.keys()].map((path) => path.replace(/.*\//u, ''));
      expect(names).toEqual(expect.arrayContaining(['ls', 'libc.so.6', 'ld-linux-x86-64.so.2']));
      for (const [path, addresses] of executed) {
        if (!path.startsWith('/') || path.includes('/valgrind/')) continue;
        const known = instructionsOf(path);
        expect({ path, unknown: [...addresses].filter((address) => !known.has(address)) }).toEqual({
          path,
          unknown: [],
        });
      }

      const whole = reachableCode(analyzeProgram(workload.program, { details: false, plugins: true }));
      const compared = compareCode(executed, whole, realpathSync);
      expect(compared.unknown).toEqual([]);
      expect(compared.objects.filter(({ missed }) => missed.length > 0)).toEqual([]);

      // From main on the loader's own start is not reachable, though it ran.
      const rest = reachableCode(analyzeProgram(workload.program, { details: false, scope: 'main' }));
      const loader = compareCode(executed, rest, realpathSync).objects.find(({ path }) =>
        path.includes('/ld-linux'),
      );
      expect(loader?.missed.map(({ name }) => name)).toContain('_dl_start');
    },
  );
});
