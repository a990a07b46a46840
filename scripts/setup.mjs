// Sets this checkout up: Debian packages (installed when root and missing, else named), npm packages, build.
// Runs before anything is installed, so it uses nothing but Node.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Debian packages by purpose. */
const PACKAGES = {
  demo: ['redis-server', 'redis-tools', 'sqlite3'],
  test: [
    'acl',
    'attr',
    'bash',
    'binutils',
    'bsdutils',
    'bubblewrap',
    'busybox-static',
    'chromium',
    'curl',
    'dash',
    'firejail',
    'g++',
    'gcc',
    'gcc-multilib',
    'git',
    'golang-go',
    'less',
    'libc6-dev',
    'libcap2-bin',
    'libseccomp-dev',
    'libsqlite3-dev',
    'lighttpd',
    'linux-libc-dev',
    'linux-libc-dev-arm64-cross',
    'locales',
    'make',
    'memcached',
    'musl-tools',
    'nginx-light',
    'openssl',
    'procps',
    'python3-minimal',
    'redis-server',
    'redis-tools',
    'runc',
    'rustc',
    'sqlite3',
    'strace',
    'systemd',
    'time',
    'tmux',
    'util-linux',
    'valgrind',
    'vim-tiny',
    'zsh',
  ],
  study: [
    'acl',
    'attr',
    'bsdutils',
    'curl',
    'gcc',
    'libc6-dev',
    'libcap2-bin',
    'libsqlite3-dev',
    'lighttpd',
    'locales',
    'memcached',
    'nginx-light',
    'openssl',
    'procps',
    'redis-server',
    'redis-tools',
    'sqlite3',
    'strace',
    'time',
    'util-linux',
  ],
  accuracy: [
    'acl',
    'attr',
    'bash',
    'binutils',
    'bsdutils',
    'bzip2',
    'coreutils',
    'curl',
    'dash',
    'dnsmasq-base',
    'dpkg-dev',
    'findutils',
    'gcc',
    'git',
    'gnupg',
    'gzip',
    'iproute2',
    'less',
    'libc-bin',
    'libc6-dev',
    'libcap2-bin',
    'libsqlite3-dev',
    'lighttpd',
    'lighttpd-mod-openssl',
    'locales',
    'lzop',
    'make',
    'memcached',
    'nginx-light',
    'openssh-client',
    'openssl',
    'perl',
    'procps',
    'python3',
    'python3-minimal',
    'redis-server',
    'redis-tools',
    'sqlite3',
    'strace',
    'tar',
    'tcl-dev',
    'time',
    'util-linux',
    'valgrind',
    'xz-utils',
    'zstd',
  ],
  bench: [
    'binutils',
    'bubblewrap',
    'gcc',
    'libc6-dev',
    'libseccomp-dev',
    'lighttpd',
    'make',
    'memcached',
    'nginx-light',
    'redis-server',
    'redis-tools',
    'sqlite3',
    'strace',
    'time',
  ],
};

/** What is measured beside callgate where it can be had. */
const WANTED = { bench: ['bpftrace', 'linux-perf'] };

const purpose = process.argv[2] ?? 'demo';
installDebian(PACKAGES[purpose] ?? fail(`setup: unknown purpose ${purpose}`), WANTED[purpose] ?? []);
installNpm();
build();

function installDebian(needed, wanted) {
  if (spawnSync('dpkg-query', ['--version']).error !== undefined) {
    say(`not a Debian system: make sure that these are installed: ${[...needed, ...wanted].join(' ')}`);
    return;
  }
  const missing = missingPackages(needed);
  const useful = missingPackages(wanted);
  if (missing.length > 0 && process.getuid() !== 0) {
    fail(
      `setup: these Debian packages are missing; run as root, then try again:\n  apt-get install --no-install-recommends ${missing.join(' ')}`,
    );
  }
  if (missing.length > 0 && !install(missing)) fail('setup: apt-get install failed');
  for (const name of useful) {
    if (process.getuid() !== 0 || !install([name]))
      say(`going on without ${name}, which could not be installed`);
  }
}

function missingPackages(names) {
  const query = spawnSync('dpkg-query', ['-W', '-f=${Package} ${db:Status-Status}\n', ...names], {
    encoding: 'utf8',
  });
  const installed = new Set(
    query.stdout
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  );
  return names.filter((name) => !installed.has(name));
}

/** Whether all are installed now. */
function install(names) {
  say(`installing Debian packages: ${names.join(' ')}`);
  // The servers are wanted as programs to trace, not as services that hold their ports.
  const policy = '/usr/sbin/policy-rc.d';
  const ours = !existsSync(policy);
  if (ours) {
    writeFileSync(policy, '#!/bin/sh\nexit 101\n');
    chmodSync(policy, 0o755);
  }
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const apt = (args) => spawnSync('apt-get', args, { env, stdio: ['ignore', 2, 2] }).status === 0;
    const args = ['install', '-y', '-qq', '--no-install-recommends', ...names];
    return apt(args) || (apt(['update', '-qq']) && apt(args));
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
}

function installNpm() {
  const stamp = join(root, 'node_modules', '.package-lock.json');
  const lock = join(root, 'package-lock.json');
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(lock).mtimeMs) return;
  say('installing npm packages');
  run('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error'], process.env);
}

function build() {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  say(`building callgate ${version}`);
  run('npm', ['run', '--silent', 'build'], process.env);
}

function run(command, args, env) {
  const { status, error } = spawnSync(command, args, { cwd: root, env, stdio: ['ignore', 2, 2] });
  if (error !== undefined) fail(`setup: cannot run ${command}: ${error.message}`);
  if (status !== 0) fail(`setup: ${command} ${args.join(' ')} failed`);
}

function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

function fail(text) {
  process.stderr.write(`${text}\n`);
  process.exit(2);
}
