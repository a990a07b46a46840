import { canonicalViolation } from '../policy/violation.ts';
import type { Remarks } from './remarks.ts';
import { quoteText } from './text-input.ts';

/**
 * What a policy says for calls that fail with an error number. Numbers that it cannot say (0, which lets calls seem to
 * work, those by which the kernel restarts them, and those above 4095) become EPERM, with a remark.
 */
export function failWith(errno: unknown, remarks: Remarks): string {
  const violation = canonicalViolation(`errno:${String(errno)}`);
  if (violation !== null) return violation;
  remarks.add('error numbers that a policy cannot have become EPERM', quoteText(String(errno)));
  return 'errno:EPERM';
}

/** Who would be asked about a call is not there: it fails as without anybody. */
export function failUnasked(remarks: Remarks, name?: string): string {
  remarks.add('calls about which a listener or tracer is asked, who may allow them, fail with ENOSYS', name);
  return 'errno:ENOSYS';
}
