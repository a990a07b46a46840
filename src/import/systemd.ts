import { ARCHES, type Arch } from '../abi/arch.ts';
import { errnoName } from '../abi/errno.ts';
import { syscallNumber } from '../abi/syscalls.ts';
import { FormatError } from '../base/errors.ts';
import { SYSTEMD_ARCH } from '../export/systemd.ts';
import { systemdGroup, systemdGroupNames, SYSTEMD_VERSION } from '../export/systemd-groups.ts';
import { canonicalViolation } from '../policy/violation.ts';
import type { Importer } from './importer.ts';
import { allowAll, allowCall, draftArch, finishPolicy, importedFrom } from './policy-draft.ts';
import { Remarks } from './remarks.ts';
import { parseUnit, type UnitSetting } from './systemd-unit.ts';
import { decodeText, quoteText } from './text-input.ts';

/** Settings that add filters of their own; source: systemd.exec(5), "Sandboxing". */
const OTHER_FILTERS = [
  'LockPersonality',
  'MemoryDenyWriteExecute',
  'PrivateDevices',
  'ProtectClock',
  'ProtectHostname',
  'ProtectKernelLogs',
  'ProtectKernelModules',
  'ProtectKernelTunables',
  'RestrictAddressFamilies',
  'RestrictNamespaces',
  'RestrictRealtime',
  'RestrictSUIDSGID',
];

/** Units and drop-ins with SystemCallFilter=; groups are those of the release that callgate has a table of. */
export const SYSTEMD_IMPORTER: Importer = {
  name: 'systemd',
  description: 'systemd unit or drop-in with SystemCallFilter= (policy)',
  recognises: (_, text) => /^[ \t]*SystemCallFilter[ \t]*=/m.test(text),
  read: (input) => {
    const remarks = new Remarks();
    const settings = inForce(settingsOf(parseUnit(decodeText(input.bytes)), remarks));
    const filter = readFilter(settings, remarks);
    if (filter === null) {
      throw new FormatError(
        `${input.source}: no SystemCallFilter= with anything in it ([Service], [Socket], [Mount] or [Swap])`,
      );
    }
    const drafts = readArches(settings, input.arch, remarks).map((arch) => {
      const draft = draftArch(arch);
      if (!filter.isAllowList) allowAll(draft);
      for (const [name, errno] of filter.names) {
        const nr = syscallNumber(arch, name);
        if (nr === null) continue;
        if (filter.isAllowList && errno === null) allowCall(draft, nr);
        else draft.allowed.delete(nr);
        if (errno === 'ENOSYS') draft.enosys.add(nr);
        else if (errno !== null)
          remarks.add('errors of single calls are left out, they end like all others', `${name}:${errno}`);
      }
      return draft;
    });
    for (const name of filter.explicit) {
      if (ARCHES.every((arch) => syscallNumber(arch, name) === null))
        remarks.add('names that callgate does not know are left out', quoteText(name));
    }
    for (const { key, value } of settings) {
      if (OTHER_FILTERS.includes(key) && !/^(no|false|off|0|)$/i.test(value))
        remarks.add('settings that restrict further are left out', `${key}=${value}`);
      if (key === 'SystemCallLog') remarks.add('SystemCallLog= is left out');
    }
    if (!filter.isAllowList)
      remarks.add('the unit lists what it denies: every call that has a name is allowed but for these');
    return finishPolicy(
      drafts,
      {
        onViolation: readViolation(settings, remarks),
        why: importedFrom(input.source, 'systemd'),
        source: input.source,
      },
      remarks,
    );
  },
};

/** Sections of what systemd starts processes for, and what stands before the first, as in a part of a unit. */
const SECTIONS = ['', 'Service', 'Socket', 'Mount', 'Swap'];

/** The assignments that are not left out by systemd because they stand elsewhere; source: systemd.exec(5). */
function settingsOf(settings: readonly UnitSetting[], remarks: Remarks): readonly UnitSetting[] {
  return settings.filter(({ section, key }) => {
    if (SECTIONS.includes(section)) return true;
    if (key.startsWith('SystemCall'))
      remarks.add(
        'settings in sections where systemd does not look for them are left out',
        quoteText(`[${section}] ${key}=`),
      );
    return false;
  });
}

interface UnitFilter {
  readonly isAllowList: boolean;
  /** Names on the list; the errno is null for the usual action. */
  readonly names: ReadonlyMap<string, string | null>;
  /** Names that are not there by a group, which has those of arches that callgate does not know. */
  readonly explicit: ReadonlySet<string>;
}

/**
 * The assignments that an empty one has not taken back; a drop-in begins with these. Of an error number that leaves none,
 * and then denied calls kill. Source: systemd.exec(5), "System call filtering".
 */
function inForce(settings: readonly UnitSetting[]): readonly UnitSetting[] {
  const resets = new Map<string, number>();
  for (const [at, { key, value }] of settings.entries()) {
    if (key.startsWith('SystemCall') && value === '') resets.set(key, at);
  }
  return settings.filter(({ key }, at) => at > (resets.get(key) ?? -1));
}

/**
 * The list that all the assignments in force amount to, as systemd makes it: the first one says whether it allows or
 * denies, those of the other kind take away. Null if there is none.
 */
function readFilter(settings: readonly UnitSetting[], remarks: Remarks): UnitFilter | null {
  let isAllowList: boolean | null = null;
  const names = new Map<string, string | null>();
  const explicit = new Set<string>();
  for (const { key, value } of settings) {
    if (key !== 'SystemCallFilter') continue;
    const isInverted = value.startsWith('~');
    const words = value
      .replace(/^~/, '')
      .split(/\s+/)
      .filter((word) => word !== '');
    if (isAllowList === null) {
      isAllowList = !isInverted;
      // Calls that are always permitted.
      if (isAllowList) for (const name of systemdGroup('@default')) names.set(name, null);
    }
    for (const word of words) {
      const [item = '', suffix] = word.split(':');
      const errno = suffix === undefined ? null : errnoOf(suffix);
      if (errno !== null && !isInverted) {
        remarks.add('systemd ignores allowed calls with an error number', quoteText(word));
        continue;
      }
      if (!item.startsWith('@')) explicit.add(item);
      for (const name of expand(item, remarks)) {
        // In an allow list, an error for a single call is written as if it were taken away.
        if (isInverted === isAllowList && errno === null) names.delete(name);
        else names.set(name, errno);
      }
    }
  }
  return isAllowList === null ? null : { isAllowList, names, explicit };
}

function expand(item: string, remarks: Remarks): readonly string[] {
  if (!item.startsWith('@')) return [item];
  if (!systemdGroupNames().includes(item)) {
    remarks.add(`groups that systemd ${SYSTEMD_VERSION} does not have are left out`, quoteText(item));
    return [];
  }
  remarks.add(`groups are those of systemd ${SYSTEMD_VERSION}`, item);
  return systemdGroup(item);
}

function errnoOf(text: string): string {
  return /^[0-9]+$/.test(text) ? (errnoName(Number(text)) ?? text) : text;
}

/** The last error number that systemd can read: it ignores others, so that the one before stays. */
function readViolation(settings: readonly UnitSetting[], remarks: Remarks): string {
  let violation = 'kill';
  for (const { key, value } of settings) {
    if (key !== 'SystemCallErrorNumber') continue;
    const next = value === 'kill' ? value : canonicalViolation(`errno:${value}`);
    if (next === null) remarks.add('unknown error numbers are left out', quoteText(value));
    else violation = next;
  }
  return violation;
}

function readArches(settings: readonly UnitSetting[], native: Arch, remarks: Remarks): readonly Arch[] {
  const names = settings
    .filter(({ key }) => key === 'SystemCallArchitectures')
    .flatMap(({ value }) => value.split(/\s+/));
  if (names.length === 0) {
    remarks.add('the unit lets all arches through, the policy only that of the machine', native);
    return [native];
  }
  // The machine's own is always permitted.
  const arches = ['native', ...names].flatMap((name) => {
    const arch = name === 'native' ? native : ARCHES.find((each) => SYSTEMD_ARCH[each] === name);
    if (arch === undefined) remarks.add('arches that callgate does not know are left out', quoteText(name));
    return arch ?? [];
  });
  return [...new Set(arches)];
}
