/** The public library. */

export {
  startTrace,
  trace,
  type HappeningEvent as TraceEvent,
  type RunningTrace,
  type TraceOptions,
  type TraceOutcome,
} from './trace/trace.ts';
export type { MethodChoice } from './trace/method.ts';
export type { ScopeOptions } from './trace/scope-target.ts';
export { TracerError, type TraceProgress } from './trace/session.ts';
export { parsePhase, parseTrigger, type PhaseRequest, type Trigger } from './trace/trigger.ts';

export { startRun, type RunOptions } from './enforce/run.ts';
export { spawn, type FilteredSpawnOptions } from './enforce/spawn.ts';
export type { TracingMethod, Violation } from './trace/backend.ts';
export type { ProgramKey } from './policy/policy-sets.ts';

export type * from './policy/model.ts';
export { buildPolicy, type BuildOptions, type BuiltPolicy } from './policy/build.ts';
export { createPolicyParser, parsePolicy, type PolicyParser } from './policy/load.ts';
export { formatPolicyJson, formatPolicyYaml } from './policy/save.ts';
export { PolicyError } from './policy/filter/policy-error.ts';
export { checkPolicy } from './policy/judge.ts';
export type { ArchCoverage, CheckResult, Finding, SetCoverage, Severity } from './policy/check.ts';

export { exportPolicy } from './export/export-policy.ts';
export type { Exported, Loss } from './export/exporter.ts';
export type { SelectionOptions } from './export/selection.ts';
export { importBytes, type ImportOptions } from './import/import-bytes.ts';
export type { Imported } from './import/importer.ts';

export type * from './profile/model.ts';
export type { Arch } from './abi/arch.ts';
export { createProfileParser, parseProfile, type ProfileParser } from './profile/load.ts';
export { formatProfile } from './profile/save.ts';
export { mergeProfiles } from './profile/merge.ts';
export {
  callSet,
  runIncidence,
  type CallFilter,
  type CallIncidence,
  type MergedCall,
} from './profile/sets.ts';
export { proposeSplits, type PhaseProposal } from './profile/phase-proposals.ts';
export { recut, type Split } from './profile/recut.ts';
export { formatTrigger, splitAt, type SplitTrigger } from './profile/splits.ts';

export {
  AbortError,
  CallgateError,
  DocumentError,
  FormatError,
  LaunchError,
  SystemCallError,
  UnsupportedError,
  UsageError,
  type Problem,
} from './base/errors.ts';
