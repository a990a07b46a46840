'use strict';
// The native part of koffi without what is around it: names that are deprecated, and a search that takes the tracing thread 4 ms. Stands
// for `koffi` in the bundles; where it is not found, or is of another version, koffi itself is loaded.
const { existsSync } = require('node:fs');
const { dirname, join } = require('node:path');

// KOFFI_VERSION is filled in when the bundle is built.
const NATIVE = join(
  'node_modules',
  '@koromix',
  `koffi-linux-${process.arch}`,
  `linux_${process.arch}`,
  'koffi.node',
);

/** Exports of the native part, or null. */
function loadNative() {
  for (let directory = __dirname; ; directory = dirname(directory)) {
    const path = join(directory, NATIVE);
    if (existsSync(path)) {
      const native = { exports: {} };
      try {
        process.dlopen(native, path);
        return native.exports.version === KOFFI_VERSION ? native.exports : null;
      } catch {
        // It is for another libc.
        return null;
      }
    }
    if (directory === dirname(directory)) return null;
  }
}

module.exports = loadNative() ?? require('koffi');
