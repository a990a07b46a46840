/** Text of a workload `small` that nothing is needed for, with the case `plain` and others, a line each. */
export function smallWorkload(...others: readonly string[]): string {
  const cases = ['{name: plain, kind: benchmark, steps: ["${program}"]}', ...others];
  return `
name: small
program: /bin/true
description: Nothing.
packages: [coreutils]
cases:
${cases.map((each) => `  - ${each}\n`).join('')}`;
}
