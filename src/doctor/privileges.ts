import { supported, undetermined, unsupported, type Check, type Purpose } from './check.ts';
import { CAP, hasBit } from '../abi/capabilities.ts';
import { isRelease, type Facts } from './facts.ts';
import { gainCapability } from './ptrace.ts';

interface Capability {
  readonly name: keyof typeof CAP;
  readonly since: string;
  readonly neededFor: readonly Purpose[];
}

/** Source of the releases: capabilities(7). */
const CAPABILITIES: readonly Capability[] = [
  { name: 'SYS_PTRACE', since: '2.2', neededFor: ['trace --pid of other users', 'watch'] },
  { name: 'DAC_READ_SEARCH', since: '2.2', neededFor: ['watch'] },
  { name: 'SYS_ADMIN', since: '2.2', neededFor: ['set-user-ID programs under trace'] },
  { name: 'BPF', since: '5.8', neededFor: ['eBPF tracing'] },
  { name: 'PERFMON', since: '5.8', neededFor: ['eBPF tracing'] },
];

/** Checks of the capabilities that widen what can be done. */
export function checkPrivileges(facts: Facts): Check[] {
  return CAPABILITIES.map((capability) => checkCapability(facts, capability));
}

function checkCapability(facts: Facts, { name, since, neededFor }: Capability): Check {
  const question = { area: 'privileges', name: `CAP_${name}`, since, neededFor } as const;
  const { self } = facts;
  if (self === null) return undetermined(question, 'unknown without /proc', 'mount /proc');
  if (hasBit(self.effective, CAP[name])) {
    return supported(
      question,
      facts.allUsersMapped === false ? 'effective, in this user namespace' : 'effective',
    );
  }
  // CAP_BPF and CAP_PERFMON were split off CAP_SYS_ADMIN, which still stands in for them.
  if (since === '5.8' && hasBit(self.effective, CAP.SYS_ADMIN)) {
    return supported(question, 'by CAP_SYS_ADMIN');
  }
  if (name === 'DAC_READ_SEARCH' && hasBit(self.effective, CAP.DAC_OVERRIDE)) {
    return supported(question, 'by CAP_DAC_OVERRIDE');
  }
  const bounded = hasBit(self.bounding, CAP[name]) ? 'in the bounding set' : 'not in the bounding set either';
  const advice =
    isRelease(facts.kernel, since) === false
      ? `${gainCapability(facts, 'SYS_ADMIN')}: CAP_SYS_ADMIN takes its place before Linux ${since}`
      : gainCapability(facts, name);
  return unsupported(question, `not effective, ${bounded}`, advice);
}
