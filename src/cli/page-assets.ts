import { readFileSync } from 'node:fs';
import { UsageError } from '../base/errors.ts';
import type { PageAssets } from '../report/html/page.ts';

/**
 * Script, style and licences of the report's page, as `npm run build` has made them.
 *
 * @throws UsageError if they are not there
 */
export function readPageAssets(): PageAssets {
  const read = (name: string): string => {
    const file = new URL(`../page/${name}`, import.meta.url);
    try {
      return readFileSync(file, 'utf8');
    } catch (error) {
      throw new UsageError(`report: cannot read ${file.pathname}, a part of callgate (npm run build)`, {
        cause: error,
      });
    }
  };
  return { script: read('page.js'), style: read('style.css'), licences: read('licences.txt') };
}
