// Runs the test suites that Debian's sources of sqlite3 and redis bring, plain, traced, and under the static policy: calls that the
// static profile misses, and tests that only fail enforced.
//   node scripts/test-suites.mjs [sqlite3|redis]... [--work DIR] [--modes plain,trace,run] [--jobs N] [--only PATTERN] [--json FILE]
// Sources, builds and results stay in DIR (default: test-suites/ below the user's cache). What it needs: apt-get and its mirrors for
// the first time, dpkg-dev, gcc, make, tcl-dev, procps, and the programs themselves. Redis' server is Debian's own; of sqlite3 there
// is Debian's shell (shell*.test) and testfixture, the library with the suite's own commands, which is built here.
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatDuration } from '../dist/base/duration.js';
import { createProfileParser } from '../dist/profile/load.js';
import { mergeProfiles } from '../dist/profile/merge.js';
import { formatProfile } from '../dist/profile/save.js';
import { compareCalls } from '../dist/study/soundness/missed-calls.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const callgate = join(root, 'bin', 'callgate');
const parse = createProfileParser();
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    work: {
      type: 'string',
      default: join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'callgate', 'test-suites'),
    },
    modes: { type: 'string', default: 'plain,trace,run' },
    jobs: { type: 'string', default: '2' },
    only: { type: 'string' },
    json: { type: 'string' },
  },
});
const work = resolve(values.work);
const modes = values.modes.split(',');
const jobs = Number(values.jobs);
const only = new RegExp(values.only ?? '');
const suites = positionals.length === 0 ? ['sqlite3', 'redis'] : positionals;
mkdirSync(work, { recursive: true });

/** Units of redis' suite that need no built modules, no more memory than a small machine has, and no more than a minute each. */
const REDIS_UNITS = `
  unit/printver unit/dump unit/auth unit/protocol unit/keyspace unit/scan unit/info unit/info-command unit/sort unit/expire unit/other
  unit/multi unit/quit unit/aofrw unit/acl unit/acl-v2 unit/latency-monitor unit/pubsub unit/pubsubshard unit/slowlog unit/scripting
  unit/functions unit/introspection unit/introspection-2 unit/limits unit/bitops unit/bitfield unit/geo unit/hyperloglog unit/lazyfree
  unit/wait unit/pause unit/querybuf unit/pendingquerybuf unit/tracking unit/oom-score-adj unit/shutdown unit/networking unit/cluster
  unit/replybufsize unit/cluster-scripting unit/obuf-limits unit/maxmemory unit/type/string unit/type/incr unit/type/list unit/type/set
  unit/type/zset unit/type/hash unit/type/stream unit/type/stream-cgroups integration/shutdown integration/aof
  integration/aof-multi-part integration/rdb integration/logging integration/block-repl integration/replication
  integration/replication-3 integration/replication-psync integration/failover integration/redis-cli integration/redis-benchmark
  integration/convert-ziplist-hash-on-load`
  .trim()
  .split(/\s+/);

/** Files of sqlite's suite, by the beginning of their names; what takes minutes or only burns memory is left out. */
const SQLITE_FILES =
  /^(select|insert|update|delete|trans|wal|journal|pager|lock|io|vacuum|attach|backup|mmap|shared|temp|trigger|index|fts[345]|rtree|autovac|bigfile|cache|close|collate|conflict|date|exclusive|filectrl|func|incrblob|join|json|like|memdb|misc|nolock|pragma|quota|readonly|rollback|savepoint|schema|sort|sync|syscall|tkt|unixexcl|uri|view|where|window|with|zipfile|symlink|cksumvfs|fallocate|superlock|thread|multiplex|hook|oserror|statfault|spellfix|stat|sidedelete|subquery|tempdb|tempfault|unlock|notify|busy|chunksize|dbfuzz00|dbpage|avfs|atomic|attachmalloc)/;
const SQLITE_SLOW =
  /(slow|fault|fuzz|malloc|crash|soak|rtree[4-9]|walthread|wal3|fts3rnd|thread_?00[3-9]|bigfile|speed|fts4merge|fts3conf|fts5ac|sort[345]|mmap[34]|shared_err|sharedA|ioerr|savepoint6|trans2|wal_common|randexpr|vacuummem|superlock|lock7|with3|joinH|wherelimit2|window[0-9]*_?big|index[67]$|unionvtab|backup_ioerr|zeroblob|quota2|sharedB|walro2|walcrash|journal3)/;

const results = [];
for (const suite of suites) {
  if (suite !== 'sqlite3' && suite !== 'redis') fail(`test-suites: unknown suite, ${suite} (sqlite3, redis)`);
  const source = fetchSource(suite);
  if (suite === 'redis') results.push(await redis(source));
  else results.push(...(await sqlite(source)));
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
process.exitCode = results.some(({ missed, onlyEnforced }) => missed.length + onlyEnforced.length > 0)
  ? 1
  : 0;

/** The directory of a source package, fetched with lists and settings of its own: the machine's are not touched. */
function fetchSource(name) {
  const folder = join(work, 'source');
  const found = () =>
    readdirSync(folder).find((entry) => entry.startsWith(`${name}-`) && !entry.includes('.tar'));
  mkdirSync(join(folder, 'lists', 'partial'), { recursive: true });
  mkdirSync(join(folder, 'cache', 'archives', 'partial'), { recursive: true });
  if (found() === undefined) {
    const sources = join(folder, 'debian.sources');
    writeFileSync(sources, debSources());
    const options = [
      ['Dir::Etc::sourcelist', sources],
      ['Dir::Etc::sourceparts', '/dev/null'],
      ['Dir::State::lists', join(folder, 'lists')],
      ['Dir::Cache', join(folder, 'cache')],
    ].flatMap(([key, value]) => ['-o', `${key}=${value}`]);
    must('apt-get', [...options, '-qq', 'update'], folder);
    must('apt-get', [...options, '-qq', 'source', name], folder);
  }
  return join(folder, found());
}

/** deb-src entries for the release of this machine. */
function debSources() {
  const release = /VERSION_CODENAME=(.*)/.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  const entry = (uri, names) =>
    `Types: deb-src\nURIs: ${uri}\nSuites: ${names}\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n`;
  return [
    entry('http://deb.debian.org/debian', `${release} ${release}-updates`),
    entry('http://deb.debian.org/debian-security', `${release}-security`),
  ].join('\n');
}

async function redis(source) {
  const program = realpathSync('/usr/bin/redis-server');
  const fixture = prepareFixture('redis', program);
  const units = REDIS_UNITS.filter((unit) => only.test(unit));
  const counts = {};
  for (const mode of modes) {
    // A tree of its own for each mode: the suite writes into it.
    const tree = join(work, `redis-${mode}`);
    rmSync(tree, { recursive: true, force: true });
    must('cp', ['-a', source, tree], work);
    for (const tool of ['redis-cli', 'redis-benchmark', 'redis-check-aof', 'redis-check-rdb']) {
      const link = join(tree, 'src', tool);
      rmSync(link, { force: true });
      symlinkSync(join('/usr/bin', tool), link);
    }
    writeStarter(join(tree, 'src', 'redis-server'), '/usr/bin/redis-server', fixture, mode);
    findServerItself(tree, program);
    const log = join(work, `redis-${mode}.log`);
    const args = ['--durable', '--clients', `${jobs}`, '--tags', '-slow -large-memory', '--timeout', '600'];
    const began = process.hrtime.bigint();
    await logged('./runtest', [...args, ...units.flatMap((unit) => ['--single', unit])], tree, log);
    const text = readFileSync(log, 'utf8').replaceAll(/\u001b\[[0-9;]*m/g, '');
    counts[mode] = {
      passed: count(text, /^\[ok\]/gm),
      failed: [
        ...new Set([...text.matchAll(/^\[(?:err|exception|timeout)\]:? (.*)$/gm)].map((match) => match[1])),
      ],
      seconds: Number(process.hrtime.bigint() - began) / 1e9,
    };
    say('redis', mode, counts[mode], units.length);
  }
  return conclude('redis', program, fixture, counts);
}

/**
 * The suite takes the process that it starts for the server, signals it and looks for its pid in the log: where a tool
 * stands between, the server is the one below it that executes the program.
 */
function findServerItself(tree, program) {
  const file = join(tree, 'tests', 'support', 'server.tcl');
  const text = readFileSync(file, 'utf8');
  const patched = text.replace(
    '    if {$::wait_server} {',
    '    set pid [server_itself $pid]\n\n    if {$::wait_server} {',
  );
  if (patched === text) fail(`test-suites: ${file}: no place to patch`);
  const lookup = `
proc server_itself {pid} {
    for {set n 0} {$n < 600} {incr n} {
        set all [list $pid]
        catch {set all [concat $pid [exec pgrep -P $pid]]}
        foreach one $all {
            if {![catch {file readlink /proc/$one/exe} exe] && $exe eq "${program}"} { return $one }
        }
        if {![file exists /proc/$pid/cmdline]} { return $pid }
        after 20
    }
    return $pid
}
`;
  writeFileSync(file, patched + lookup);
}

async function sqlite(source) {
  const build = join(work, 'sqlite3-build');
  const testfixture = join(build, 'testfixture');
  if (!existsSync(testfixture)) {
    mkdirSync(build, { recursive: true });
    const options = [
      '--with-tcl=/usr/lib/tcl8.6',
      '--enable-fts3',
      '--enable-fts5',
      '--enable-rtree',
      '--enable-session',
    ];
    must(join(source, 'configure'), options, build, { CFLAGS: '-O1' });
    must('make', ['-s', 'testfixture'], build);
  }
  const files = readdirSync(join(source, 'test'))
    .filter((name) => name.endsWith('.test') && only.test(name))
    .sort();
  const shell = files.filter((name) => /^shell[0-9]\.test$/.test(name));
  const library = files.filter(
    (name) => SQLITE_FILES.test(name) && !SQLITE_SLOW.test(name.slice(0, -'.test'.length)),
  );
  return [
    await sqliteHalf('sqlite3-shell', realpathSync('/usr/bin/sqlite3'), {
      source,
      testfixture,
      files: shell,
      of: 'shell',
    }),
    await sqliteHalf('sqlite3-testfixture', testfixture, {
      source,
      testfixture,
      files: library,
      of: 'library',
    }),
  ];
}

/** Runs test files one by one, `jobs` at once, each in a directory of its own. */
async function sqliteHalf(name, program, { source, testfixture, files, of }) {
  const fixture = prepareFixture(name, program);
  const counts = {};
  for (const mode of modes) {
    const began = process.hrtime.bigint();
    const total = { passed: 0, failed: [], seconds: 0 };
    const waiting = [...files];
    const workers = Array.from({ length: jobs }, async () => {
      for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
        const directory = join(work, `${name}-${mode}`, file.replace('.test', ''));
        rmSync(directory, { recursive: true, force: true });
        mkdirSync(directory, { recursive: true });
        // testfixture looks for its siblings, the shell and itself, beside it.
        const own = join(directory, 'testfixture');
        if (of === 'library') writeStarter(own, testfixture, fixture, mode);
        else copyFileSync(testfixture, own);
        writeStarter(
          join(directory, 'sqlite3'),
          '/usr/bin/sqlite3',
          fixture,
          of === 'shell' ? mode : 'plain',
        );
        const log = join(directory, 'log');
        await logged(own, [join(source, 'test', file)], directory, log, 900_000);
        const text = readFileSync(log, 'latin1');
        const summary = /^([0-9]+) errors out of ([0-9]+) tests/m.exec(text);
        total.passed += summary === null ? 0 : Number(summary[2]) - Number(summary[1]);
        if (summary === null) total.failed.push(`${file} did not end`);
        for (const [, test] of text.matchAll(/^! (\S+) expected/gm)) total.failed.push(`${file} ${test}`);
      }
    });
    await Promise.all(workers);
    total.seconds = Number(process.hrtime.bigint() - began) / 1e9;
    counts[mode] = total;
    say(name, mode, total, files.length);
  }
  return conclude(name, program, fixture, counts);
}

/** Where the profiles and reports of a suite go; the static profile and, to enforce it, a policy that kills. */
function prepareFixture(name, program) {
  const folder = join(work, `${name}-results`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const profile = join(folder, 'static.json');
  const policy = join(folder, 'policy.json');
  must(callgate, ['analyze', '-q', '-o', profile, program], work);
  // Suites start shells and tools through the program; what runs under its filter has to be in it.
  const helpers = ['/bin/sh', '/bin/cat', '/bin/true', '/bin/ln', '/usr/bin/sqlite3']
    .map((path) => realpathSync(path))
    .filter((path) => path !== program);
  const others = helpers.map((path) => join(folder, `static-${path.replaceAll('/', '-')}.json`));
  for (const [at, path] of helpers.entries()) must(callgate, ['analyze', '-q', '-o', others[at], path], work);
  const making = [
    'policy',
    '--strict',
    'sound',
    '--unresolved',
    'accept',
    '--on-violation',
    'kill',
    '-o',
    policy,
    profile,
    ...others,
  ];
  must(callgate, making, work);
  return { folder, profile, policy };
}

/** An executable that becomes the program under a tool, with a file of its own for each start. */
function writeStarter(file, program, { folder, policy }, mode) {
  const tool = {
    plain: '',
    trace: `'${callgate}' trace -q --phases none -o "${folder}/trace.$$.json" -- `,
    run: `'${callgate}' run -q --policy '${policy}' --report "${folder}/run.$$.violations" -- `,
  }[mode];
  if (tool === undefined) fail(`test-suites: unknown mode, ${mode} (plain, trace, run)`);
  rmSync(file, { force: true });
  writeFileSync(file, `#!/bin/sh\nexec ${tool}'${program}' "$@"\n`);
  chmodSync(file, 0o755);
}

function conclude(name, program, { folder, profile }, counts) {
  const files = readdirSync(folder);
  const traces = files.filter((file) => /^trace\.[0-9]+\.json$/.test(file)).map((file) => join(folder, file));
  const violations = files
    .filter((file) => file.endsWith('.violations'))
    .flatMap((file) => readFileSync(join(folder, file), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .map(
      ({ arch, nr, program: by, backtrace }) =>
        `${arch} ${nr} by ${by} from ${backtrace.slice(0, 3).join(' < ')}`,
    );
  let observed = [];
  let missed = [];
  if (traces.length > 0) {
    // Merged in bundles: thousands of profiles at once would not fit.
    let union = null;
    for (let at = 0; at < traces.length; at += 100) {
      const bundle = traces.slice(at, at + 100).map((file) => parse(readFileSync(file, 'utf8'), file));
      union = mergeProfiles(union === null ? bundle : [union, ...bundle]);
    }
    writeFileSync(join(folder, 'observed.json'), formatProfile(union));
    const [compared] = compareCalls(union, parse(readFileSync(profile, 'utf8'), profile), program);
    observed = compared.observed;
    missed = compared.missed;
    process.stdout.write(
      `${name}: ${traces.length} traces, ${compared.observed} calls observed, ${compared.possible} possible, missed: ${missed.join(' ') || 'none'}\n`,
    );
  }
  const plain = new Set(counts.plain?.failed ?? []);
  const onlyEnforced = (counts.run?.failed ?? []).filter((test) => !plain.has(test));
  if (counts.run !== undefined) {
    process.stdout.write(
      `${name}: enforced: ${onlyEnforced.length} tests fail that do not fail plain, ${violations.length} violations\n`,
    );
    for (const line of [...onlyEnforced, ...new Set(violations)].slice(0, 40))
      process.stdout.write(`  ${line}\n`);
  }
  return { name, program, counts, observed, missed, onlyEnforced, violations };
}

function say(name, mode, { passed, failed, seconds }, files) {
  process.stdout.write(
    `${name}: ${mode}: ${files} files, ${passed} passed, ${failed.length} failed, ${formatDuration(Math.round(seconds * 1e9))}\n`,
  );
}

function count(text, pattern) {
  return [...text.matchAll(pattern)].length;
}

/** Runs to the end, or to a time limit in milliseconds, with all output in a file. */
function logged(command, args, cwd, log, limit = 3_600_000) {
  return new Promise((done) => {
    writeFileSync(log, '');
    const child = spawn('/bin/sh', ['-c', 'exec "$@" >"$0" 2>&1', log, command, ...args], {
      cwd,
      stdio: 'ignore',
      detached: true,
    });
    const timer = setTimeout(() => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    }, limit);
    child.once('exit', () => {
      clearTimeout(timer);
      done();
    });
  });
}

function must(command, args, cwd, env = {}) {
  const { status, error, stderr } = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
  });
  if (error !== undefined) fail(`test-suites: ${command}: ${error.message}`);
  if (status !== 0)
    fail(`test-suites: ${command} ${args.join(' ')} ended with ${status}: ${stderr.slice(-2000)}`);
}

function fail(text) {
  process.stderr.write(`${text}\n`);
  process.exit(2);
}
