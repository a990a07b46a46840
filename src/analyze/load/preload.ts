import type { RootFileSystem } from './root.ts';

/** The names in /etc/ld.so.preload: blanks, line ends and colons part them, `#` begins a comment (ld.so(8)). */
export function readPreloadFile(root: RootFileSystem): string[] {
  const text = root.readText('/etc/ld.so.preload') ?? '';
  return splitNames(text.replace(/#.*$/gm, ''));
}

function splitNames(text: string): string[] {
  return text.split(/[\s:]+/).filter((name) => name !== '');
}
