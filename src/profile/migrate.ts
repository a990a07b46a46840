import { DocumentError } from '../base/errors.ts';

/** A parsed document of which only the header has been looked at. */
export type ProfileDocument = Readonly<Record<string, unknown>>;

/** Turns a document of one version into one of the next; it may rely on nothing but that its header is right. */
export type Migration = (document: ProfileDocument) => ProfileDocument;

/** Element k takes version k + 1 to k + 2; their number is one less than `PROFILE_VERSION`. */
export const MIGRATIONS: readonly Migration[] = [];

/**
 * Brings a document up to the newest version; `context` names it in errors.
 *
 * @throws DocumentError if `version` is no positive integer or newer than the newest
 */
export function migrateProfile(
  document: ProfileDocument,
  context: string,
  migrations: readonly Migration[] = MIGRATIONS,
): ProfileDocument {
  const newest = migrations.length + 1;
  const { version } = document;
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1) {
    const message = 'profile version is no integer from 1 up';
    throw new DocumentError(`${context}: ${message}`, [{ path: '/version', message }]);
  }
  if (version > newest) {
    const message = `profile version ${version} is newer than this callgate understands (${newest}); upgrade callgate`;
    throw new DocumentError(`${context}: ${message}`, [{ path: '/version', message }]);
  }
  return migrations
    .slice(version - 1)
    .reduce((current, migrate, step) => ({ ...migrate(current), version: version + step + 1 }), document);
}
