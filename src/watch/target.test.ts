import { assert, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cgroupPath, withMove, containerOf, executableOf, isSelected, unitOf } from './target.ts';

const ID = '3f4a'.repeat(16);
const SHORT = ID.slice(0, 12);

describe('the unit of a cgroup', () => {
  it.each([
    { cgroup: '/system.slice/redis.service', want: 'redis.service' },
    { cgroup: '/system.slice/redis.service/worker', want: 'redis.service' },
    { cgroup: '/system.slice/system-getty.slice/getty@tty1.service', want: 'getty@tty1.service' },
    { cgroup: String.raw`/system.slice/dev-disk\x2dby.swap`, want: String.raw`dev-disk\x2dby.swap` },
    { cgroup: '/init.scope', want: 'init.scope' },
    { cgroup: '/user.slice/user-1000.slice/session-3.scope', want: 'session-3.scope' },
    {
      cgroup: '/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service',
      want: 'user@1000.service/foo.service',
    },
    {
      cgroup: '/user.slice/user-1000.slice/user@1000.service/init.scope',
      want: 'user@1000.service/init.scope',
    },
    { cgroup: `/system.slice/docker-${ID}.scope`, want: `docker-${ID}.scope` },
    { cgroup: `/docker/${ID}`, want: `docker-${SHORT}` },
    { cgroup: '/', want: '-.slice' },
    { cgroup: '/machine.slice', want: 'machine.slice' },
    { cgroup: '/handmade/deeper', want: 'cgroup /handmade/deeper' },
  ])('$cgroup is $want', ({ cgroup, want }) => {
    expect(unitOf(cgroup).name).toBe(want);
  });
});

describe('the container of a cgroup', () => {
  const pod = 'kubepods-burstable-pod8f0e.slice';
  it.each([
    { cgroup: `/system.slice/docker-${ID}.scope`, want: `docker-${SHORT}` },
    { cgroup: `/system.slice/docker-${ID}.scope/init.scope`, want: `docker-${SHORT}` },
    { cgroup: `/docker/${ID}`, want: `docker-${SHORT}` },
    { cgroup: `/machine.slice/libpod-${ID}.scope/container`, want: `podman-${SHORT}` },
    { cgroup: `/machine.slice/libpod-conmon-${ID}.scope`, want: null },
    { cgroup: `/kubepods.slice/${pod}/crio-conmon-${ID}.scope`, want: null },
    { cgroup: `/kubepods.slice/kubepods-burstable.slice/${pod}/crio-${ID}.scope`, want: `crio-${SHORT}` },
    { cgroup: `/kubepods.slice/${pod}/cri-containerd-${ID}.scope`, want: `containerd-${SHORT}` },
    { cgroup: `/kubepods/burstable/pod8f0e-11/${ID}`, want: `kubernetes-${SHORT}` },
    { cgroup: `/system.slice/containerd.service/${pod}:cri-containerd:${ID}`, want: `containerd-${SHORT}` },
    { cgroup: '/lxc/web', want: 'lxc-web' },
    { cgroup: '/lxc.payload.web/system.slice/cron.service', want: 'lxc-web' },
    { cgroup: '/machine.slice/systemd-nspawn@web.service/payload', want: 'machine-web' },
    { cgroup: '/machine.slice/machine-web.scope', want: 'machine-web' },
    { cgroup: `/docker/${'0'.repeat(64)}/kubepods/pod1/${ID}`, want: `kubernetes-${SHORT}` },
    { cgroup: '/mine', want: 'runc-mine' },
    { cgroup: '/any/place/init.scope', want: 'runc-its-id' },
    { cgroup: '/any/other', want: null },
    { cgroup: '/other', want: null },
    { cgroup: '/system.slice/docker.service', want: null },
    { cgroup: `/docker/${ID.slice(1)}`, want: null },
    { cgroup: '/', want: null },
  ])('$cgroup is $want', ({ cgroup, want }) => {
    expect(
      containerOf(
        cgroup,
        new Map([
          ['mine', 'mine'],
          ['/any/place', 'its-id'],
        ]),
      )?.name ?? null,
    ).toBe(want);
  });
});

describe('the cgroup of a process', () => {
  it.each([
    { text: '0::/system.slice/a.service\n', want: '/system.slice/a.service' },
    { text: '4:memory:/m\n1:name=systemd:/system.slice/a.service\n0::/\n', want: '/system.slice/a.service' },
    { text: '4:memory:/mine\n1:name=systemd:/\n0::/\n', want: '/mine' },
    { text: '4:memory:/\n0::/\n', want: '/' },
    { text: '0::/system.slice/gone.service (deleted)\n', want: '/system.slice/gone.service' },
    { text: '0::/with:colon\n', want: '/with:colon' },
    { text: '', want: null },
    { text: 'nonsense', want: null },
  ])('$text is $want', ({ text, want }) => {
    expect(cgroupPath(text)).toBe(want);
  });
});

describe('the cgroups of a process that is moved', () => {
  const text = '4:memory:/mine\n1:name=systemd:/\n0::/\n';
  it.each([
    { text, hierarchy: 0, path: '/a', want: '4:memory:/mine\n1:name=systemd:/\n0::/a\n' },
    { text, hierarchy: 4, path: '/$&', want: '4:memory:/$&\n1:name=systemd:/\n0::/\n' },
    { text, hierarchy: 4, path: '/', want: '4:memory:/\n1:name=systemd:/\n0::/\n' },
    { text: '0::/a\n', hierarchy: 4, path: '/b', want: '0::/a\n4::/b\n' },
    { text: null, hierarchy: 0, path: '/a', want: '0::/a\n' },
  ])('are others in hierarchy $hierarchy: $path', ({ text: before, hierarchy, path, want }) => {
    expect(withMove(before, hierarchy, path)).toBe(want);
  });
});

describe('the file of a target', () => {
  it.each([
    { target: unitOf('/system.slice/redis.service'), want: 'redis.service.json' },
    { target: executableOf('/usr/bin/redis-server'), want: 'usr_bin_redis-server.json' },
    { target: executableOf('/usr/bin/redis-server (deleted)'), want: 'usr_bin_redis-server.json' },
    { target: executableOf('/opt/a_b'), want: expect.stringMatching(/^opt_a_b-[0-9a-f]{8}\.json$/) },
  ])('is $want', ({ target, want }) => {
    expect(target.file).toEqual(want);
  });

  it('is another one for another target, and one that every file system takes', () => {
    const part = string({ unit: 'grapheme', minLength: 1, maxLength: 300 });
    assert(
      property(part, part, (a, b) => {
        const [one, other] = [executableOf(`/${a}`), executableOf(`/${b}`)];
        expect(one.file === other.file).toBe(one.name === other.name);
        expect(one.file).toMatch(/^[A-Za-z0-9_@:-][A-Za-z0-9_.@:-]*\.json$/);
        expect(one.file.length).toBeLessThan(220);
      }),
    );
  });
});

describe('a selection of targets', () => {
  const redis = executableOf('/usr/bin/redis-server');
  it.each([
    { include: [], exclude: [], want: true },
    { include: ['redis-*'], exclude: [], want: true },
    { include: ['/usr/bin/*'], exclude: [], want: true },
    { include: ['redis'], exclude: [], want: false },
    { include: ['redis-serve?'], exclude: [], want: true },
    { include: ['redis.server'], exclude: [], want: false },
    { include: [], exclude: ['*server'], want: false },
    { include: ['redis*'], exclude: ['redis-server'], want: false },
    { include: ['[rs]edis-*'], exclude: [], want: true },
    { include: ['redis[-]server'], exclude: [], want: true },
    { include: ['redis[a-z+-]server'], exclude: [], want: true },
    { include: ['[a-q]edis-*'], exclude: [], want: false },
    { include: ['[!a-q]edis-*'], exclude: [], want: true },
    { include: ['[^r]edis-*'], exclude: [], want: false },
    { include: ['[z-a]edis-*', '[', '[]', '[!]', 'redis-server['], exclude: [], want: false },
    { include: ['[]r]edis-*'], exclude: [], want: true },
    { include: ['[!]r]edis-*'], exclude: [], want: false },
    { include: ['[\\^r]edis-*'], exclude: [], want: true },
  ])('include $include, exclude $exclude: $want', ({ include, exclude, want }) => {
    expect(isSelected(redis, { include, exclude })).toBe(want);
  });
});

it.each([
  { what: 'that is never closed', name: 'a[b-c', pattern: 'a[b-?' },
  { what: 'that has nothing in it', name: 'a[^]b', pattern: '?[^]b' },
  { what: 'that has nothing in it, negated as in a shell', name: 'a[!]b', pattern: '?[!]b' },
])('a bracket $what stands for itself in a pattern', ({ name, pattern }) => {
  expect(isSelected(executableOf(`/opt/${name}`), { include: [pattern], exclude: [] })).toBe(true);
});
