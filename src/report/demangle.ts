import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** What the WebAssembly module exports: the calling convention of wasm-bindgen, of the version that package.json names. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly __wbindgen_export_0: { grow(entries: number): number };
  __wbindgen_start(): void;
  __wbindgen_malloc(size: number, alignment: number): number;
  __wbindgen_free(address: number, size: number, alignment: number): void;
  /** Takes the string over; gives address and size of another one. */
  demangle_any(address: number, size: number): readonly [address: number, size: number];
}

/** The part of the engine's interface that is used; the types that come with Node have none of it. */
interface Engine {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
  readonly RuntimeError: new () => Error;
}

const { WebAssembly: ENGINE } = globalThis as unknown as { readonly WebAssembly: Engine };

/** Longer names stay as they are: nobody would read them. */
const LENGTH_LIMIT = 4096;

/**
 * Makes names of C++ (Itanium ABI) and Rust (legacy and v0) readable; other names stay as they are.
 *
 * The work is done by a WebAssembly module, which is loaded at the first name that needs it: a hostile name cannot do more than make it fail,
 * and then stays as it is.
 */
export class Demangler {
  #module: Exports | undefined;

  /** The name as it is in the source; the name itself where it is not mangled, or not understood. */
  demangle(name: string): string {
    if (!/^_(Z|R)[A-Za-z0-9_]/.test(name) || name.length > LENGTH_LIMIT) return name;
    this.#module ??= load();
    try {
      return callModule(this.#module, name);
    } catch (error) {
      if (!(error instanceof ENGINE.RuntimeError || error instanceof RangeError)) throw error;
      // The module may be in any state after a failure.
      this.#module = undefined;
      return name;
    }
  }
}

function load(): Exports {
  const file = createRequire(import.meta.url).resolve('gecko-profiler-demangle/index_bg.wasm');
  let exports: Exports | undefined;
  const imports = {
    './index_bg.js': {
      // Values of JavaScript that the module could pass around; it has none but these.
      __wbindgen_init_externref_table: (): void => {
        const table = exports?.__wbindgen_export_0;
        table?.grow(4);
      },
    },
  };
  const instance = new ENGINE.Instance(new ENGINE.Module(readFileSync(file)), imports);
  exports = instance.exports as Exports;
  exports.__wbindgen_start();
  return exports;
}

/** Names are ASCII. */
function callModule(module: Exports, name: string): string {
  const bytes = Buffer.from(name, 'latin1');
  const given = module.__wbindgen_malloc(bytes.length, 1) >>> 0;
  new Uint8Array(module.memory.buffer).set(bytes, given);
  const [address, size] = module.demangle_any(given, bytes.length);
  const start = address >>> 0;
  const text = Buffer.from(module.memory.buffer, start, size >>> 0).toString('utf8');
  module.__wbindgen_free(start, size, 1);
  // Of what it does not understand it takes the first underscore away, as if that were one of macOS.
  return text === '' || text === name.slice(1) ? name : text;
}
