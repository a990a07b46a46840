import type { Command } from 'commander';
import type { Exported } from '../export/exporter.ts';
import { writeToStderr } from './say.ts';

const HELP = `
Formats:
  oci            Docker, Podman, OCI runtimes: seccomp profile
  k8s-spo        Kubernetes: SeccompProfile of the Security Profiles Operator
  k8s-localhost  Kubernetes: profile for the kubelet; the lines for the pod go to stderr
  systemd        drop-in for a service unit
  cbpf           raw program, for bubblewrap --seccomp FD
  pfc, asm       the filter for people: rules, or instructions
  c              C program with libseccomp
  seccompiler    seccompiler and Firecracker
  firejail       profile with a keep list
  minijail       policy for minijail0 -S

Who cannot switch filters needs the set of the first phase, which holds those of all later ones. What a format
cannot say is written to stderr, one line each: "looser" lets through what the policy denies, "stricter" denies what
it lets through.

Examples:
  callgate export redis.policy.yaml --format oci -o redis.json
  docker run --security-opt seccomp=redis.json redis
  callgate export redis.policy.yaml --format cbpf -o redis.bpf
  bwrap --ro-bind / / --seccomp 9 9<redis.bpf redis-server`;

interface Options {
  readonly format: string;
  readonly phase?: string;
  readonly program?: string;
  readonly exact?: true;
  readonly output: string;
}

/** Registers `callgate export`. */
export function defineExport(program: Command): void {
  program
    .command('export')
    .description('write a policy in the format of another tool')
    .argument('<policy>', 'policy to read; - for stdin')
    .requiredOption('-f, --format <format>', 'format to write, see below')
    .option(
      '--phase <name>',
      'phase to write, for a program that switches by itself (default: the first, for the whole life)',
    )
    .option('--program <path>', "a program's own set instead of the whole tree's")
    .option('--exact', 'write nothing if the format cannot say all of the policy')
    .option('-o, --output <file>', 'write there; - for stdout', '-')
    .addHelpText('after', HELP)
    .action(async (file: string, options: Options) => {
      const [
        { findExporter },
        { selectSet },
        { createPolicyParser },
        { readForeignFile, writeForeignFile },
        { UsageError },
        { refuseOwnInput },
      ] = await Promise.all([
        import('../export/exporters.ts'),
        import('../export/selection.ts'),
        import('../policy/load.ts'),
        import('./foreign-file.ts'),
        import('../base/errors.ts'),
        import('./own-input.ts'),
      ]);
      const exporter = findExporter(options.format);
      refuseOwnInput(options.output, [file]);
      const { bytes, source } = await readForeignFile(file);
      const policy = createPolicyParser()(new TextDecoder().decode(bytes), source);
      const selection = selectSet(policy, options);
      const exported = exporter.write(selection);
      if (options.exact === true && exported.losses.length > 0) {
        const lines = exported.losses.map(({ kind, text }) => `\n  ${kind}: ${text}`);
        throw new UsageError(
          `export: ${exporter.name} cannot say all of the policy (--exact)${lines.join('')}`,
        );
      }
      await writeForeignFile(exported.content, options.output);
      if (options.phase === undefined && policy.phases.length > 1) {
        writeToStderr(
          `callgate: wrote the set of ${selection.phase.name}, for the whole life (--phase ${policy.phases.at(-1)!.name} for a program that switches by itself)\n`,
        );
      }
      await describeExport(exported);
    });
}

async function describeExport({ losses, usage }: Exported): Promise<void> {
  const { escapeText } = await import('../report/escape.ts');
  for (const { kind, text } of losses) writeToStderr(`callgate: ${kind}: ${escapeText(text)}\n`);
  writeToStderr(usage);
}
