import type { Arch } from '../abi/arch.ts';
import { ALLOW, ENOSYS } from '../policy/filter/action.ts';
import { BPF_MAXINSNS } from '../policy/filter/cbpf.ts';
import { compileFilter } from '../policy/filter/compile.ts';
import { createFilter, type Condition, type RuleSpec } from '../policy/filter/ir.ts';
import { listAlternatives, widen } from './alternatives.ts';
import type { Exporter, Loss } from './exporter.ts';
import { droppedArguments, highHalves, newerCalls } from './losses.ts';
import { OCI_ARCH } from './oci-profile.ts';
import { describeSelection, type SelectedArch, type Selection, type Violation } from './selection.ts';

/**
 * C with libseccomp: the static function `lock_down`, for inclusion with NO_MAIN defined, and a main that runs a command
 * under it.
 *
 * Each arch has a filter of its own until all are merged, so that what one allows is not opened on another. Names are
 * resolved at run time: one that the installed libseccomp does not know is added by its number on the machine's own
 * arch.
 */
export const LIBSECCOMP_PROGRAM: Exporter = {
  name: 'c',
  description: 'C program with libseccomp: gcc FILE -lseccomp, then ./a.out COMMAND',
  fileName: 'lock-down.c',
  write: (selection) => {
    const losses: Loss[] = [];
    const { violation } = selection;
    const isDefault = violation.kind === 'errno' && violation.errno === ENOSYS;
    const tables = selection.arches.map((section) => {
      const { rows, rules, dropped } = tableRows(section, isDefault);
      losses.push(...dropped);
      return { arch: section.arch, rows, rules };
    });
    losses.push(...lengthOf(selection, tables));
    const text = [
      '/*',
      ...describeSelection(selection).map((line) => ` * ${line}`),
      ' *',
      ' *     gcc -O2 -o lock-down lock-down.c -lseccomp && ./lock-down COMMAND',
      ' *',
      ' * or #define NO_MAIN and #include it, then call lock_down().',
      ' */',
      PROLOGUE.trim(),
      '',
      `#define DENIED ${actionOf(violation)}`,
      `#define OTHER_ARCH ${violation.kind === 'log' ? 'SCMP_ACT_LOG' : 'SCMP_ACT_KILL_PROCESS'}`,
      '',
      ...tables.flatMap(({ arch, rows }) => [
        `static const struct rule ${tableName(arch)}[] = {`,
        ...rows.map((row) => `    ${row},`),
        '};',
        '',
      ]),
      'static const struct table tables[] = {',
      ...tables.map(
        ({ arch }) =>
          `    {${OCI_ARCH[arch]}, ${tableName(arch)}, sizeof(${tableName(arch)}) / sizeof(${tableName(arch)}[0])},`,
      ),
      '};',
      '',
      EPILOGUE.trim(),
    ];
    return {
      content: `${text.join('\n')}\n`,
      losses: [...losses, ...highHalves(selection), ...newerCalls(selection)],
      usage: '',
    };
  },
};

function tableRows(
  { arch, allowed, enosys, newer }: SelectedArch,
  isDefault: boolean,
): { rows: readonly string[]; rules: readonly RuleSpec[]; dropped: readonly Loss[] } {
  const dropped: Loss[] = [];
  // libseccomp has the numbers of x32 with bit 30.
  const number = (nr: number): string => (arch === 'x32' ? `0x40000000 + ${nr}` : `${nr}`);
  const row = (name: string | null, nr: number, action: string, conditions: readonly Condition[]): string =>
    `{${name === null ? 'NULL' : JSON.stringify(name)}, ${number(nr)}, ${action}, ${conditions.length}, {${
      conditions.length === 0 ? '{0}' : conditions.map(comparisonOf).join(', ')
    }}}`;
  const rules: RuleSpec[] = [];
  const rows = allowed.flatMap((call) => {
    const { list, dropped: positions } = listAlternatives(call);
    dropped.push(...droppedArguments(call, positions));
    rules.push(...list.map((conditions) => ({ nr: call.nr, action: ALLOW, conditions })));
    return list.map((conditions) => row(call.name, call.nr, 'SCMP_ACT_ALLOW', conditions));
  });
  if (!isDefault) {
    for (const { name, nr } of [...enosys, ...newer]) rows.push(row(name, nr, 'SCMP_ACT_ERRNO(ENOSYS)', []));
  }
  return { rows, rules, dropped };
}

/**
 * Whether the kernel will take what libseccomp makes of the rules: libseccomp needs about as many instructions as callgate
 * does, for rules of 64 bits up to twice as many.
 *
 * @throws PolicyError if it will not
 */
function lengthOf(
  { violation }: Selection,
  tables: readonly { readonly arch: Arch; readonly rules: readonly RuleSpec[] }[],
): readonly Loss[] {
  const sections = tables.map(({ arch, rules }) => ({
    arch,
    rules,
    default: violation,
    newestKnown: 0,
    newer: violation,
  }));
  const filter = createFilter({ sections, mismatch: violation, foreign: violation });
  const { length } = compileFilter(filter);
  if (length * 2 <= BPF_MAXINSNS) return [];
  return [
    {
      kind: 'other',
      text: `the filter may get too long (callgate's has ${length} instructions, the kernel takes ${BPF_MAXINSNS}): the program then says that it cannot load it, and runs nothing`,
    },
  ];
}

function comparisonOf(condition: Condition): string {
  const { arg, op, value, mask } = widen(condition);
  return op === 'eq'
    ? `{${arg}, SCMP_CMP_EQ, ${constant(value)}, 0}`
    : `{${arg}, SCMP_CMP_MASKED_EQ, ${constant(mask!)}, ${constant(value)}}`;
}

function constant(value: bigint): string {
  return `0x${value.toString(16)}ULL`;
}

function tableName(arch: Arch): string {
  return `rules_${arch}`;
}

function actionOf(action: Violation): string {
  switch (action.kind) {
    case 'errno':
      return `SCMP_ACT_ERRNO(${action.errno})`;
    case 'trap':
      return 'SCMP_ACT_TRAP';
    case 'log':
      return 'SCMP_ACT_LOG';
    case 'kill_process':
      return 'SCMP_ACT_KILL_PROCESS';
  }
}

const PROLOGUE = `
#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct rule {
    const char *name;
    int number;
    uint32_t action;
    unsigned int count;
    struct scmp_arg_cmp args[6];
};

struct table {
    uint32_t arch;
    const struct rule *rules;
    size_t count;
};
`;

const EPILOGUE = `
/* Adds the rules of one arch to a filter that holds this arch only. */
static int add_rules(scmp_filter_ctx filter, const struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct rule *rule = &table->rules[i];
        int number = rule->name == NULL ? __NR_SCMP_ERROR : seccomp_syscall_resolve_name(rule->name);
        if (number == __NR_SCMP_ERROR) {
            if (table->arch != seccomp_arch_native()) {
                /* A call that is to fail with ENOSYS is denied like any other. */
                if (rule->action == SCMP_ACT_ALLOW)
                    fprintf(stderr, "lock-down: %s (%d) is unknown here and stays denied\\n",
                            rule->name == NULL ? "number" : rule->name, rule->number);
                continue;
            }
            number = rule->number;
        }
        int error = seccomp_rule_add_array(filter, rule->action, number, rule->count, rule->args);
        if (error != 0) return error;
    }
    return 0;
}

/* Locks this process and all its threads down; 0, or a negative errno and nothing is locked. */
static int lock_down(void)
{
    scmp_filter_ctx all = NULL;
    int error = 0;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && error == 0; i++) {
        scmp_filter_ctx filter = seccomp_init(DENIED);
        if (filter == NULL) {
            error = -ENOMEM;
            break;
        }
        if (tables[i].arch != seccomp_arch_native()) {
            error = seccomp_arch_add(filter, tables[i].arch);
            if (error == 0) error = seccomp_arch_remove(filter, seccomp_arch_native());
        }
        if (error == 0) error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, OTHER_ARCH);
        if (error == 0) error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
        if (error == 0) error = add_rules(filter, &tables[i]);
        if (error == 0 && all != NULL) error = seccomp_merge(all, filter);
        else if (error == 0) all = filter;
        if (error != 0) seccomp_release(filter);
    }
    if (error == 0) error = seccomp_load(all);
    if (all != NULL) seccomp_release(all);
    return error;
}

#ifndef NO_MAIN
int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s COMMAND [ARGUMENT...]\\n", argv[0]);
        return 2;
    }
    int error = lock_down();
    if (error != 0) {
        fprintf(stderr, "lock-down: cannot load the filter: %s\\n", strerror(-error));
        return 126;
    }
    execvp(argv[1], argv + 1);
    error = errno;
    fprintf(stderr, "lock-down: cannot run %s: %s\\n", argv[1], strerror(error));
    return error == ENOENT ? 127 : 126;
}
#endif
`;
