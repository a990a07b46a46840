import type { Selection } from './selection.ts';

/** Where an export is not what the policy says. */
export interface Loss {
  /** `looser`: it lets calls through that the policy denies; `stricter`: the other way round; `other`: neither. */
  readonly kind: 'looser' | 'stricter' | 'other';
  /** One line, for people. */
  readonly text: string;
}

/** What an exporter made. */
export interface Exported {
  /** The document; bytes only for formats that are not text. */
  readonly content: string | Uint8Array;
  /** Everything that the format could not say, each thing once; empty if the export means what the policy means. */
  readonly losses: readonly Loss[];
  /** How the document is put to use, for people, where it is not used by itself; empty or ending in a newline. */
  readonly usage: string;
}

/** One foreign format. */
export interface Exporter {
  /** As on the command line. */
  readonly name: string;
  readonly description: string;
  /** What a file of this format is usually called. */
  readonly fileName: string;
  /**
   * Writes what one phase, or one program in it, may do.
   *
   * @throws PolicyError if the format cannot hold the policy at all
   */
  readonly write: (selection: Selection) => Exported;
}
