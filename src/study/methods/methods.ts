import type { MethodSpec } from '../experiment.ts';
import type { MethodContext, MethodOutcome } from '../method.ts';
import { analyze } from './analyze.ts';
import { command } from './command.ts';
import { trace } from './trace.ts';
import { untraced } from './untraced.ts';
import { wrapper } from './wrapper.ts';

/** Runs a method of any kind. */
export function runMethod(spec: MethodSpec, context: MethodContext): Promise<MethodOutcome> {
  switch (spec.kind) {
    case 'untraced':
      return untraced.run(spec, context);
    case 'trace':
      return trace.run(spec, context);
    case 'analyze':
      return analyze.run(spec, context);
    case 'command':
      return command.run(spec, context);
    case 'wrapper':
      return wrapper.run(spec, context);
  }
}
