// The main job on three real programs: ls, sqlite3, and redis-server under load. Profiles go to ./demo/.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const callgate = join(root, 'bin', 'callgate');
const demo = join(root, 'demo');
mkdirSync(demo, { recursive: true });

const scratch = mkdtempSync(join(tmpdir(), 'callgate-demo-'));
const port = await freePort();
const sql = `create table city(name text, people integer);
  insert into city values ('Graz', 303270), ('Linz', 212538);
  create index by_people on city(people);
  select name from city order by people desc;`;

heading('ls: a program with one phase');
trace('ls.json', ['ls', '-l', '/usr'], { quiet: true });
show('ls.json', ['--format', 'text']);

heading('sqlite3: a data base in a file');
trace('sqlite3.json', ['sqlite3', join(scratch, 'city.db'), sql]);
show('sqlite3.json', ['--format', 'names']);

heading('redis-server: a server under load, in two phases');
trace(
  'redis.json',
  ['redis-server', '--port', `${port}`, '--save', '', '--dir', scratch, '--loglevel', 'warning'],
  {
    options: [
      '--ready',
      `listen:${port}`,
      '--workload',
      `redis-benchmark -p ${port} -q -n 10000 -t set,get >/dev/null`,
    ],
  },
);
show('redis.json', ['--format', 'tree']);
run(['phases', join(demo, 'redis.json')]);

rmSync(scratch, { recursive: true, force: true });
process.stdout.write(`\nThe profiles are in demo/: look at them with bin/callgate show demo/redis.json\n`);

function heading(text) {
  process.stdout.write(`\n== ${text}\n\n`);
}

function trace(file, command, { options = [], quiet = false } = {}) {
  const shown = ['callgate', 'trace', '-o', `demo/${file}`, ...options, '--', ...command];
  process.stdout.write(`$ ${shown.map(quote).join(' ')}\n`);
  run(['trace', '-o', join(demo, file), ...options, '--', ...command], quiet);
}

function show(file, options) {
  process.stdout.write(`\n$ callgate show demo/${file} ${options.join(' ')}\n`);
  run(['show', join(demo, file), ...options]);
}

function run(args, quiet = false) {
  const { status } = spawnSync(callgate, args, {
    stdio: ['ignore', quiet ? 'ignore' : 'inherit', 'inherit'],
  });
  if (status !== 0) {
    process.stderr.write(`demo: callgate ${args[0]} ended with ${status}\n`);
    process.exit(1);
  }
}

function quote(text) {
  return /^[A-Za-z0-9_/.:=,-]+$/.test(text)
    ? text
    : `'${text.replaceAll(/\s+/g, ' ').replaceAll("'", "'\\''")}'`;
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port: free } = server.address();
      server.close(() => resolve(free));
    });
  });
}
