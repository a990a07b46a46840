'use strict';
// Loads a bundle together with the code that V8 made of it when it was built. Another version of V8 refuses that code and
// compiles the bundle as usual. Why: docs/decisions/start-up.md.
const { readFileSync } = require('node:fs');
const { createRequire, wrap } = require('node:module');
const { join } = require('node:path');
const { Script } = require('node:vm');

/** Exports of a bundle in the directory of the caller, and its script. */
exports.loadBundle = (directory, name) => {
  const filename = join(directory, `${name}.cjs`);
  let cachedData;
  try {
    cachedData = readFileSync(join(directory, `${name}.cache`));
  } catch {
    // A copy of the bundles alone works as well.
  }
  // esbuild writes ASCII only.
  const script = new Script(wrap(readFileSync(filename, 'latin1')), { filename, cachedData });
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(filename), module, filename, directory);
  return { exports: module.exports, script };
};
