import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { CALLGATE } from './callgate.ts';

/** What the command needs besides its bundle. */
const PACKAGES = [
  'koffi',
  '@koromix',
  'ajv',
  'fast-deep-equal',
  'fast-uri',
  'json-schema-traverse',
  'require-from-string',
  'yaml',
];

/**
 * The command where every user can execute it: the checkout's own, or a copy if that lies below a directory that is
 * closed to others, as root's home is.
 */
export function sharedCallgate(): string {
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', 'test', '-x', CALLGATE];
  const { status, error } = spawnSync('setpriv', nobody);
  if (error !== undefined) throw new Error(`setpriv (Debian package util-linux): ${error.message}`);
  if (status === 0) return CALLGATE;
  const checkout = dirname(dirname(CALLGATE));
  const copy = mkdtempSync(join(tmpdir(), 'callgate-shared-'));
  chmodSync(copy, 0o755);
  mkdirSync(join(copy, 'dist'));
  for (const part of [
    'bin',
    'dist/bundle',
    'package.json',
    ...PACKAGES.map((name) => `node_modules/${name}`),
  ]) {
    cpSync(join(checkout, part), join(copy, part), { recursive: true });
  }
  return join(copy, 'bin', 'callgate');
}
