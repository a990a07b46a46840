import { createRequire } from 'node:module';
import type { Node, Pair } from 'yaml';
import { DocumentError } from '../base/errors.ts';
import { findRepeatedKey } from '../base/json-keys.ts';
import { printable, quote } from './problems.ts';

/** A document as plain data, with where it stands in its text. */
export interface ReadDocument {
  readonly value: unknown;
  /** JSON pointer to line, from 1; empty for JSON. */
  readonly lines: ReadonlyMap<string, number>;
  /** JSON pointer of an element of a list to the comment on its line. */
  readonly comments: ReadonlyMap<string, string>;
}

/** Characters of a document: a policy for every call of every arch has fewer. */
const TEXT_CAP = 4 * 1024 * 1024;

/** Levels of nesting; a policy has eight. */
const DEPTH_CAP = 16;

/**
 * Reads JSON, or YAML 1.2 without anchors and tags.
 *
 * Integers beyond 2^53 - 1, and those with a leading 0, stay as text.
 *
 * @throws DocumentError if it is neither; it names the line
 */
export function readText(text: string, source: string): ReadDocument {
  if (text.length > TEXT_CAP) throw refused(source, `${text.length} characters (${TEXT_CAP})`);
  if (/^\s*\{/.test(text)) {
    const value = parseJson(text, source);
    if (value !== undefined) return { value, lines: new Map(), comments: new Map() };
  }
  return new YamlReader(source).read(text);
}

/** The value of a JSON document; undefined for a YAML document, which may begin with a brace as well. */
function parseJson(text: string, source: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (/^\s*\{\s*"/.test(text)) throw refused(source, `not JSON, ${printable((error as Error).message)}`);
    return undefined;
  }
  // As in YAML: whoever reads it must not see another policy than callgate.
  const repeated = findRepeatedKey(text);
  if (repeated === null) return value;
  const { key, line } = repeated;
  throw refused(source, `line ${line}: the key ${quote(key)} is there twice`);
}

class YamlReader {
  readonly #source: string;
  readonly #lines: Map<string, number> = new Map();
  readonly #comments: Map<string, string> = new Map();
  // Loaded on first use: most commands never read YAML.
  readonly #yaml: typeof import('yaml') = createRequire(import.meta.url)('yaml') as typeof import('yaml');
  #lineAt: (offset: number) => number = () => 1;

  constructor(source: string) {
    this.#source = source;
  }

  read(text: string): ReadDocument {
    // Before the parser: it is recursive, and quadratic in the depth of its own error messages.
    this.#checkDepth(text);
    const counter = new this.#yaml.LineCounter();
    this.#lineAt = (offset) => counter.linePos(offset).line;
    const document = this.#yaml.parseDocument(text, {
      lineCounter: counter,
      intAsBigInt: true,
      prettyErrors: false,
    });
    const [error] = document.errors;
    if (error !== undefined) {
      throw refused(
        this.#source,
        `not YAML, line ${this.#lineAt(error.pos[0])}: ${printable(error.message)}`,
      );
    }
    const value = document.contents === null ? null : this.#convert(document.contents, '', 0);
    return { value, lines: this.#lines, comments: this.#comments };
  }

  #checkDepth(text: string): void {
    for (const [index, line] of text.split('\n').entries()) {
      const opened = line.replaceAll(/[^[{]/g, '').length;
      const dashes = /^(?:\s*[-?:]\s)*/.exec(line)?.[0].replaceAll(/\s/g, '').length ?? 0;
      if (opened + dashes > 8 * DEPTH_CAP) {
        throw refused(this.#source, `too deep or too many on one line, line ${index + 1} (${8 * DEPTH_CAP})`);
      }
    }
  }

  #convert(node: unknown, path: string, depth: number): unknown {
    const { isAlias, isMap, isScalar, isSeq } = this.#yaml;
    if (node === null || node === undefined) return null;
    this.#place(node as Node, path);
    if (depth > DEPTH_CAP) throw this.#unwanted(node as Node, `nested too deep (${DEPTH_CAP} levels)`);
    if (isAlias(node)) throw this.#unwanted(node, 'an alias (*NAME) is not allowed');
    if (isScalar(node)) {
      this.#refuseProperties(node);
      return plainScalar(node.value, node.source);
    }
    if (isSeq(node)) {
      this.#refuseProperties(node);
      return node.items.map((item, index) => {
        const at = `${path}/${index}`;
        const comment = this.#commentOf(item);
        if (comment !== '') this.#comments.set(at, comment);
        return this.#convert(item, at, depth + 1);
      });
    }
    if (isMap(node)) {
      this.#refuseProperties(node);
      return Object.fromEntries(
        node.items.map(({ key, value }) => {
          if (!isScalar(key)) throw this.#unwanted(node, 'a key that is a list or an object is not allowed');
          const name = key.source ?? String(key.value);
          return [name, this.#convert(value, `${path}/${escapePointer(name)}`, depth + 1)];
        }),
      );
    }
    throw this.#unwanted(node as Node, 'neither list, object nor value');
  }

  /** Comments at the end of a line of the element; those on lines of their own belong to nobody in particular. */
  #commentOf(item: unknown): string {
    const { isMap, isNode } = this.#yaml;
    if (!isNode(item)) return '';
    const parts = [item.comment];
    if (isMap(item)) {
      for (const { key, value } of item.items as Pair<Node, Node | null>[]) {
        // `- mmap: # why` is taken for a comment before what follows on the next line.
        parts.push(key.comment, value?.commentBefore?.split('\n')[0], value?.comment);
      }
    }
    return parts
      .filter((part) => part !== null && part !== undefined)
      .map((part) => part.split('\n')[0]?.trim() ?? '')
      .filter((part) => part !== '')
      .join('; ');
  }

  #refuseProperties(node: Node & { readonly anchor?: string }): void {
    if (node.anchor !== undefined) throw this.#unwanted(node, 'an anchor (&NAME) is not allowed');
    if (node.tag !== undefined) throw this.#unwanted(node, 'a tag (!NAME) is not allowed');
  }

  #place(node: Node, path: string): void {
    if (node.range !== undefined && node.range !== null) this.#lines.set(path, this.#lineAt(node.range[0]));
  }

  #unwanted(node: Node, message: string): DocumentError {
    return refused(this.#source, `line ${this.#lineAt(node.range?.[0] ?? 0)}: ${message}`);
  }
}

function plainScalar(value: unknown, source: string | undefined): unknown {
  if (typeof value === 'bigint' || typeof value === 'number') {
    // 0600 is octal for whoever writes it, and decimal for YAML 1.2.
    if (source !== undefined && /^0[0-9]/.test(source)) return source;
    if (typeof value === 'number') return value;
    return value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= -BigInt(Number.MAX_SAFE_INTEGER)
      ? Number(value)
      : (source ?? value.toString());
  }
  return typeof value === 'string' || typeof value === 'boolean' || value === null
    ? value
    : JSON.stringify(value);
}

function escapePointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

function refused(source: string, message: string): DocumentError {
  return new DocumentError(`${source}: ${message}`, [{ path: '', message }]);
}
