import type { Command } from 'commander';
import type { Policy } from '../policy/model.ts';
import { collectNames } from './name-option.ts';

interface CheckOptions {
  readonly json?: boolean;
  readonly diff?: string;
  readonly accept: readonly string[];
}

const HELP = `
Findings, worst first:
  error    the policy cannot do what it says, such as a phase that is wider than the one before
  danger   it allows what an attacker looks for: ptrace, bpf, mounts, new namespaces, io_uring ...
  warning  it may break the program, or is wider than it looks

A published vulnerability counts as taken away only if every call by which it can be reached is denied.

With --diff only the differences are printed: what POLICY opens and closes compared with the other one.
A tighter phase that is gone, or that may begin later than before, counts as opened.

Exit codes: 0 nothing worse than warnings (with --diff: nothing is opened), 1 errors or dangerous calls (with --diff:
something is opened), 2 usage or failure.

Examples:
  callgate check redis.yaml
  callgate check sandbox.yaml --accept mount,pivot_root
  callgate check new.yaml --diff old.yaml
  callgate check redis.yaml --json | jq -r '.findings[] | [.severity, (.sets | join(",")), .call, .message] | @tsv'`;

/** Registers `callgate check`. */
export function defineCheck(program: Command): void {
  program
    .command('check')
    .description('look for what is wrong with a policy, and say what it takes away')
    .argument('<policy>', 'policy to read, YAML or JSON; - for stdin')
    .option('--diff <other>', 'compare with this policy instead')
    .option(
      '--accept <call>',
      'dangerous call that is meant to be open, or several with commas; repeatable',
      collectNames,
      [],
    )
    .option(
      '--json',
      'print JSON: an object with format "callgate-check", with --diff "callgate-policy-diff"',
    )
    .addHelpText('after', HELP)
    .action(async (file: string, options: CheckOptions) => {
      const { UsageError } = await import('../base/errors.ts');
      if (file === '-' && options.diff === '-') {
        throw new UsageError('policy: stdin (-) can be read only once');
      }
      await requireNames(options.accept);
      const policy = await readPolicy(file);
      const { printResult } = await import('./standard-output.ts');
      const { text, failed } =
        options.diff === undefined
          ? await check(policy, options)
          : await compare(await readPolicy(options.diff), policy, options);
      await printResult(text);
      if (failed) process.exitCode = 1;
    });
}

/** @throws UsageError that says which name no arch has */
async function requireNames(names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const [{ ARCHES }, { nearestSyscallNames, syscallNumber }, { UsageError }] = await Promise.all([
    import('../abi/arch.ts'),
    import('../abi/syscalls.ts'),
    import('../base/errors.ts'),
  ]);
  for (const name of names) {
    if (ARCHES.some((arch) => syscallNumber(arch, name) !== null)) continue;
    const near = nearestSyscallNames('x86_64', name);
    const hint = near.length === 0 ? '' : ` (did you mean ${near.join(', ')}?)`;
    throw new UsageError(`accept: no system call is called ${JSON.stringify(name)}${hint}`);
  }
}

interface Outcome {
  readonly text: string;
  readonly failed: boolean;
}

async function check(policy: Policy, { json, accept }: CheckOptions): Promise<Outcome> {
  const [{ checkPolicy, hasFailed }, { knownCves }, { outputWidth }] = await Promise.all([
    import('../policy/check.ts'),
    import('../policy/cves.ts'),
    import('./standard-output.ts'),
  ]);
  const result = checkPolicy(policy, accept);
  const known = knownCves().length;
  const text =
    json === true
      ? (await import('../report/check-json.ts')).formatCheckJson(policy, result, known)
      : (await import('../report/check-text.ts')).formatCheck(policy, result, known, outputWidth());
  return { text, failed: hasFailed(result) };
}

async function compare(before: Policy, after: Policy, { json }: CheckOptions): Promise<Outcome> {
  const [{ diffPolicies }, { outputWidth }] = await Promise.all([
    import('../policy/diff.ts'),
    import('./standard-output.ts'),
  ]);
  const changes = diffPolicies(before, after);
  const text =
    json === true
      ? (await import('../report/check-json.ts')).formatChangesJson(changes)
      : (await import('../report/check-text.ts')).formatChanges(changes, outputWidth());
  return { text, failed: changes.some(({ kind }) => kind === 'opened') };
}

async function readPolicy(path: string): Promise<Policy> {
  const [{ parsePolicy }, { readForeignFile }] = await Promise.all([
    import('../policy/load.ts'),
    import('./foreign-file.ts'),
  ]);
  const { bytes, source } = await readForeignFile(path);
  return parsePolicy(new TextDecoder().decode(bytes), source);
}
