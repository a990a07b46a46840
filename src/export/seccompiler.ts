import { UnsupportedError } from '../base/errors.ts';
import type { Condition } from '../policy/filter/ir.ts';
import { listAlternatives } from './alternatives.ts';
import type { Exporter, Loss } from './exporter.ts';
import { formatJson } from './json-text.ts';
import { droppedArguments, enosysCalls, foreignCalls, otherArches, unnamedCalls } from './losses.ts';
import type { Violation } from './selection.ts';

/**
 * JSON of seccompiler, Firecracker's compiler of filters: one filter for one arch, under the name `main`.
 *
 * Source: docs/json_format.md and src/frontend/json.rs of rust-vmm/seccompiler. The older field names
 * `default_action` and `filter_action` are read by both that crate and Firecracker.
 */
export const SECCOMPILER: Exporter = {
  name: 'seccompiler',
  description: 'seccompiler and Firecracker: filter, JSON',
  fileName: 'seccompiler.json',
  write: (selection) => {
    const section = selection.arches.find(({ arch }) => arch === 'x86_64' || arch === 'aarch64');
    if (section === undefined) {
      throw new UnsupportedError(
        `seccompiler: no arch that it has, ${selection.arches.map(({ arch }) => arch).join(', ')} (x86_64, aarch64)`,
        { feature: 'seccompiler' },
      );
    }
    const losses: Loss[] = [...unnamedCalls({ ...selection, arches: [section] })];
    const filter = section.allowed.flatMap((call) => {
      if (call.name === null) return [];
      const { list, dropped } = listAlternatives(call);
      losses.push(...droppedArguments(call, dropped));
      return list.map((conditions) => ({
        syscall: call.name,
        args: conditions.length === 0 ? undefined : conditions.map(conditionOf),
      }));
    });
    losses.push(...enosysCalls(selection), ...otherArches(selection, section), ...foreignCalls(selection));
    const { violation } = selection;
    return {
      content: formatJson({
        main: { default_action: actionOf(violation), filter_action: 'allow', filter },
      }),
      losses,
      usage: '',
    };
  },
};

function conditionOf({ arg, width, op, value, mask }: Condition): object {
  return {
    index: arg,
    type: width === 32 ? 'dword' : 'qword',
    op: op === 'eq' ? 'eq' : { masked_eq: mask },
    val: value,
  };
}

function actionOf(action: Violation): unknown {
  switch (action.kind) {
    case 'errno':
      return { errno: action.errno };
    case 'trap':
    case 'log':
      return action.kind;
    case 'kill_process':
      return 'kill_process';
  }
}
