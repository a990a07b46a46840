import type { Command } from 'commander';
import { writeToStderr } from './say.ts';

const HELP = `
Formats:
  auto          found out from the file
  oci           seccomp profile of Docker, Podman, OCI runtimes, Confine    -> policy
  systemd       unit or drop-in with SystemCallFilter=                      -> policy
  cbpf          raw program, found out by running it                        -> policy
  confine       profile.report.details.csv of Confine                       -> policy
  strace        output of strace -f, best with -ttt -n                      -> profile
  audit         SECCOMP records of the audit or kernel log                  -> profile
  sysfilter     JSON of sysfilter_extract --full-json                       -> profile
  chestnut      what Chestnut's Binalyzer keeps of an object                -> profile
  temporal      sets of main and workers of temporal specialization         -> profile
  callander     output of callander --show-permitted                        -> profile
  numbers       JSON list of numbers: sysfilter, Chestnut                   -> profile
  number-lines  numbers with blanks: sysfilter --syscalls-flat, Chestnut    -> profile
  names         names or numbers, one a line                                -> profile

What cannot be carried over is written to stderr.

Examples:
  strace -f -ttt -n -o ls.strace ls -l && callgate import ls.strace | callgate show -
  callgate import /usr/share/containers/seccomp.json -o docker.policy.yaml
  systemctl cat nginx | callgate import - --format systemd -o nginx.policy.yaml
  ausearch -m SECCOMP --raw | callgate import - --format audit`;

interface Options {
  readonly format: string;
  readonly program?: string;
  readonly json?: true;
  readonly output: string;
}

/** Registers `callgate import`. */
export function defineImport(program: Command): void {
  program
    .command('import')
    .description('read a policy or profile in the format of another tool')
    .argument('<file>', 'file to read; - for stdin')
    .option('-f, --format <format>', 'format to read, see below', 'auto')
    .option('--program <path>', 'the program that the file is about, for lists of names and numbers')
    .option('--json', 'write a policy as JSON (default: YAML, unless the file is *.json)')
    .option('-o, --output <file>', 'write there; - for stdout', '-')
    .addHelpText('after', HELP)
    .action(async (file: string, options: Options) => {
      const [
        { chooseImporter, findImporter },
        { nativeArch },
        { formatProfile },
        { formatPolicyJson, formatPolicyYaml },
        { readForeignFile, writeForeignFile },
        { escapeText },
        { refuseOwnInput },
      ] = await Promise.all([
        import('../import/importers.ts'),
        import('../import/profile-draft.ts'),
        import('../profile/save.ts'),
        import('../policy/save.ts'),
        import('./foreign-file.ts'),
        import('../report/escape.ts'),
        import('./own-input.ts'),
      ]);
      const format = options.format === 'auto' ? null : findImporter(options.format).name;
      refuseOwnInput(options.output, [file]);
      const { bytes, source, written } = await readForeignFile(file);
      const importer = chooseImporter(bytes, source, format);
      const imported = importer.read({
        bytes,
        source,
        arch: nativeArch(process.arch) ?? 'x86_64',
        written: written.toISOString(),
        program: options.program ?? null,
      });
      const isJson = options.json === true || options.output.endsWith('.json');
      const save = isJson ? formatPolicyJson : formatPolicyYaml;
      const text = imported.kind === 'policy' ? save(imported.policy) : formatProfile(imported.profile);
      await writeForeignFile(text, options.output);
      writeToStderr(`callgate: read as ${importer.name}, wrote a ${imported.kind}\n`);
      for (const remark of imported.remarks) writeToStderr(`callgate: warning: ${escapeText(remark)}\n`);
    });
}
