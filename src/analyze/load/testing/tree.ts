import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { RootFileSystem } from '../root.ts';

/** A temporary directory tree to be used as a root; it is removed on disposal. */
export class Tree implements Disposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'callgate-root-'));

  /** `files` by path: text, or a symbolic link as `{ link: TARGET }`. */
  constructor(files: Readonly<Record<string, string | Uint8Array | { readonly link: string }>> = {}) {
    for (const [path, contents] of Object.entries(files)) {
      if (typeof contents === 'object' && 'link' in contents) this.link(path, contents.link);
      else this.write(path, contents);
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The host's path of a path in the tree. */
  path(path: string): string {
    return join(this.folder, path);
  }

  write(path: string, contents: string | Uint8Array): string {
    mkdirSync(dirname(this.path(path)), { recursive: true });
    writeFileSync(this.path(path), contents);
    return this.path(path);
  }

  link(path: string, target: string): void {
    mkdirSync(dirname(this.path(path)), { recursive: true });
    symlinkSync(target, this.path(path));
  }

  root(): RootFileSystem {
    return new RootFileSystem(this.folder);
  }
}
