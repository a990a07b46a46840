import { Argument, type Command } from 'commander';

const SHELLS = ['bash', 'zsh'] as const;

const HELP = `
Completes commands, options, their values, files, and after trace -- the program and its own arguments.

bash, in ~/.bashrc:
  source <(callgate completion bash)
zsh, in ~/.zshrc after compinit:
  source <(callgate completion zsh)
or for all users:
  callgate completion bash > /usr/share/bash-completion/completions/callgate
  callgate completion zsh > /usr/local/share/zsh/site-functions/_callgate`;

/** Registers `callgate completion`; `build` gives the whole command line that is to be completed. */
export function defineCompletion(program: Command, build: () => Command): void {
  program
    .command('completion')
    .description('print a completion script for a shell')
    .addArgument(new Argument('<shell>', 'shell to write it for').choices(SHELLS))
    .addHelpText('after', HELP)
    .action(async (shell: (typeof SHELLS)[number]) => {
      const [{ describeCommandShape }, { printResult }] = await Promise.all([
        import('./command-shape.ts'),
        import('./standard-output.ts'),
      ]);
      const shape = describeCommandShape(build());
      switch (shell) {
        case 'bash':
          await printResult((await import('./bash-completion.ts')).formatBashCompletion(shape));
          return;
        case 'zsh':
          await printResult((await import('./zsh-completion.ts')).formatZshCompletion(shape));
          return;
      }
    });
}
