import { unknownJumpObjects } from './open-targets.ts';
import type { ProgramGraph } from './program-graph.ts';
import { isLibrary } from './roots.ts';
import type { ScopedClosure } from './scope.ts';
import { closedSiteGates } from './sites.ts';
import { hasStaticGlibc } from './static-libc.ts';

/** What a result takes for granted, one sentence each. */
export function assumptionsOf(
  graph: ProgramGraph,
  closure: ScopedClosure,
  isMappingTaken: boolean,
): string[] {
  const { loadSet } = graph.image;
  const { reach, names } = closure;
  const assumptions = [
    'functions are called only by direct calls, through the loader, or by addresses that reachable code or data holds',
    'functions keep to the calling convention of System V, and data objects are not addressed through pointers to others',
    'restart_syscall and rt_sigreturn are made because of the kernel, whatever the code',
    'calls of the vDSO that fall back to the kernel make the call that the C library makes without vDSO',
    ...loadSet.assumptions,
    ...reach.closedGates().map(({ reason }) => reason),
    ...closedSiteGates(graph, reach).map(({ reason }) => reason),
  ];
  // Others cannot: the loader would have to put them there.
  if (graph.objects.some(({ view }) => view.isFixed))
    assumptions.push(
      'data at fixed addresses holds addresses of functions in 8 bytes, not in 4, and where they are not aligned only of functions that a table or a call tells of',
    );
  const [program] = graph.objects;
  if (program !== undefined && isLibrary(program)) {
    assumptions.push(
      'it is a shared library: whoever loads it may call every function that it exports, and what he does besides is not included',
    );
  }
  if (names.databases.size > 0) {
    assumptions.push(`nsswitch.conf stays as it is for ${[...names.databases].sort().join(', ')}`);
  }
  if (loadSet.absent.size > 0) {
    assumptions.push(
      `libraries that are opened at run time if they are there stay absent: ${[...loadSet.absent].sort().join(', ')}`,
    );
  }
  if (graph.objects.some(({ image }) => image.file.soname === 'libc.so.6') || hasStaticGlibc(graph)) {
    assumptions.push(
      'character set converters (gconv), where they are loaded, make no system calls of their own',
    );
  }
  if (graph.objects.some(({ image }) => image.file.soname?.startsWith('libpcre2') === true)) {
    assumptions.push('code that PCRE2 generates for regular expressions makes no system calls');
  }
  if (graph.objects.some(({ image }) => image.file.soname === 'libcap.so.2')) {
    assumptions.push(
      'libcap passes only constants of its own through the table of its system call functions',
    );
  }
  if (graph.objects.some(({ image }) => image.file.soname === 'libseccomp.so.2')) {
    assumptions.push('libseccomp makes no other system call by a number that it looks up than seccomp');
  }
  if (graph.objects.some(({ image }) => image.file.soname?.startsWith('libffi.so') === true)) {
    assumptions.push('code that libffi writes leads to functions only whose addresses code or data holds');
  }
  if (isMappingTaken) {
    assumptions.push(
      'mmap and mprotect, where they are called through pointers, are asked for no executable memory',
    );
  }
  const jumping = unknownJumpObjects(graph, reach);
  if (jumping.length > 0) {
    assumptions.push(
      `jumps of which nothing is known (in ${jumping.join(', ')}) stay in their functions, or lead to addresses that reachable code or data holds`,
    );
  }
  if (closure.start !== null) {
    assumptions.push(
      'the entries of the program and of the loader, and the main function of the loader, run once, before main',
    );
  }
  return assumptions;
}
