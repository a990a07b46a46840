import type { ProgramGraph } from './program-graph.ts';
import { baseName } from '../../base/base-name.ts';

/** A runtime of the program that makes code while it runs, or loads it by itself: no file has it. */
export interface Runtime {
  /** Index of the object. */
  readonly object: number;
  readonly reason: string;
}

interface Row {
  /** Fits the SONAME, or the last part of the path where there is none. */
  readonly name: RegExp;
  /** Or a symbol that the object exports. */
  readonly symbol?: string;
  readonly reason: string;
}

/** Names are those of the runtimes' own builds and of Debian's packages. */
const ROWS: readonly Row[] = [
  {
    name: /^(node|nodejs|libnode\.so.*|libv8.*\.so.*)$/,
    symbol: 'node_module_register',
    reason: 'JavaScript is compiled to machine code at run time (V8), and add-ons are loaded by name',
  },
  {
    name: /^(java|libjvm\.so)$/,
    reason: 'Java classes are compiled to machine code at run time, and load libraries by name',
  },
  {
    name: /^(dotnet|libcoreclr\.so|libmono.*\.so.*|mono.*)$/,
    reason: '.NET assemblies are compiled to machine code at run time, and load libraries by name',
  },
  {
    name: /^(luajit|libluajit.*\.so.*)$/,
    reason: 'Lua is compiled to machine code at run time, and its FFI calls any function',
  },
  {
    name: /^(python\d.*|libpython\d.*\.so.*)$/,
    symbol: 'Py_BytesMain',
    reason: 'Python programs load extension modules by name, and ctypes calls any function',
  },
  {
    name: /^(perl\d?.*|libperl\.so.*)$/,
    reason: 'Perl programs load extension modules by name, and syscall makes any system call',
  },
  {
    name: /^(ruby\d?.*|libruby.*\.so.*)$/,
    reason: 'Ruby programs load extension modules by name, and syscall makes any system call',
  },
  { name: /^(php\d?.*|libphp.*\.so.*)$/, reason: 'PHP programs load extension modules by name' },
  {
    name: /^(guile.*|libguile.*\.so.*)$/,
    reason: 'Scheme programs are compiled to machine code and load libraries by name',
  },
  {
    name: /^(qemu-.*|valgrind.*)$/,
    reason: 'the code of the guest is translated to machine code at run time',
  },
];

/** The runtimes among the objects of a program. */
export function runtimesOf(graph: ProgramGraph): Runtime[] {
  const found: Runtime[] = [];
  for (const { index, image } of graph.objects) {
    const { soname, path } = image.file;
    const name = soname ?? baseName(path);
    const row = ROWS.find(
      (each) =>
        each.name.test(name) ||
        (each.symbol !== undefined && image.symbols.definitions(each.symbol).length > 0),
    );
    if (row !== undefined) found.push({ object: index, reason: row.reason });
  }
  return found;
}
