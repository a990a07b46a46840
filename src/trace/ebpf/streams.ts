import { readFileSync, readlinkSync, statSync } from 'node:fs';

/** A file as the kernel knows it. */
export interface StreamFile {
  readonly inode: bigint;
  /** Device of its file system in the form of dev_t within the kernel; null if that is not known, and any will do. */
  readonly device: bigint | null;
}

/** Bits of a minor number within the kernel. Source: include/linux/kdev_t.h. */
const MINORBITS = 20n;

/** The files behind stdout and stderr of processes, each once. */
export function streamsOf(owners: readonly (number | 'self')[]): StreamFile[] {
  const found = owners.flatMap((owner) => [1, 2].flatMap((fd) => streamOf(owner, fd)));
  return [...new Map(found.map((file) => [`${file.inode} ${file.device}`, file])).values()];
}

function streamOf(owner: number | 'self', fd: number): StreamFile[] {
  const path = `/proc/${owner}/fd/${fd}`;
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return [];
  // Node takes the highest bit for a sign, which overlayfs sets.
  const inode = BigInt.asUintN(64, stat.ino);
  return [{ inode, device: mountDevice(owner, fd) ?? (isNameless(path) ? decode(stat.dev) : null) }];
}

/**
 * Device of the file system that a file is on, by its mount; null for a mount that the process does not see. What stat(2) tells is another
 * one on btrfs and overlayfs.
 */
function mountDevice(owner: number | 'self', fd: number): bigint | null {
  const mount = /^mnt_id:\s*([0-9]+)$/m.exec(readText(`/proc/${owner}/fdinfo/${fd}`))?.[1];
  if (mount === undefined) return null;
  for (const process of new Set([owner, 'self'])) {
    const line = new RegExp(`^${mount} [0-9]+ ([0-9]+):([0-9]+) `, 'm');
    const [, major, minor] = line.exec(readText(`/proc/${process}/mountinfo`)) ?? [];
    if (major !== undefined && minor !== undefined) return join(BigInt(major), BigInt(minor));
  }
  return null;
}

/** Whether a file is a pipe or a socket, whose file system is mounted nowhere and of which stat(2) tells the device itself. */
function isNameless(path: string): boolean {
  try {
    return /^(?:pipe|socket):\[/.test(readlinkSync(path));
  } catch {
    return false;
  }
}

/** From the form of stat(2). Source: glibc, bits/sysmacros.h. */
function decode(device: bigint): bigint {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  return join(major, minor);
}

function join(major: bigint, minor: bigint): bigint {
  return (major << MINORBITS) | minor;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
