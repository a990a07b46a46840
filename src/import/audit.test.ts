import { expect, test } from 'vitest';
import { readProfile } from './testing/read-text.ts';

const LOG = `type=SECCOMP msg=audit(1700000000.100:101): auid=1000 uid=0 gid=0 ses=1 subj=unconfined pid=42 comm="nginx" exe="/usr/sbin/nginx" sig=0 arch=c000003e syscall=59 compat=0 ip=0x7f65c1ab4000 code=0x7ffc0000
type=SYSCALL msg=audit(1700000000.100:101): arch=c000003e syscall=59 success=no pid=42
type=SECCOMP msg=audit(1700000000.300:102): auid=1000 pid=42 comm="nginx" exe="/usr/sbin/nginx" sig=0 arch=c000003e syscall=59 compat=0 ip=0x1 code=0x7ffc0000ARCH=x86_64 SYSCALL=execve
[ 12.3] audit: type=1326 audit(1700000001.000:103): auid=4 uid=0 gid=0 ses=4 pid=43 comm=2F746D702F612062 exe=2F746D702F612062 sig=31 arch=40000003 syscall=39 compat=1 ip=0x1 code=0x80000000
audit: type=1326 audit(1700000002.000:104): pid=43 comm=2F746D702F612062 exe=2F746D702F612062 sig=31 arch=c000003e syscall=1073742345 compat=0 ip=0x1 code=0x0
type=SECCOMP msg=audit(1700000003.000:105): pid=44 comm="x" exe=(null) sig=31 arch=80000016 syscall=1 compat=0 ip=0x1 code=0x0
`;

test('records become processes with the calls that a filter logged', () => {
  const { profile, remarks } = readProfile('audit', LOG);
  expect(profile.runs[0]).toMatchObject({
    command: ['/usr/sbin/nginx'],
    start: '2023-11-14T22:13:20.100Z',
    duration: 2_900_000_000,
    complete: false,
  });
  expect(profile.programs.map(({ path }) => path)).toEqual(['/usr/sbin/nginx', '/tmp/a b']);
  expect(profile.processes.map(({ pid, program }) => [pid, program])).toEqual([
    [42, 0],
    [43, 1],
    [44, null],
  ]);
  expect(profile.processes[0]!.calls).toMatchObject([
    { arch: 'x86_64', name: 'execve', count: 2, first: 0, last: 200_000_000, origin: 'imported' },
  ]);
  expect(profile.processes[1]!.calls.map(({ arch, name }) => `${arch}:${name}`)).toEqual([
    'i386:mkdir',
    'x32:ptrace',
  ]);
  expect(profile.processes[2]!.calls).toEqual([]);
  expect(remarks).toEqual([
    'calls of arches that callgate does not know are left out: arch 80000016 number 1',
  ]);
});

test('records that lack a field are counted', () => {
  const record = (fields: string): string => `type=SECCOMP msg=audit(1700000000.100:101): ${fields}\n`;
  const whole = 'pid=42 comm="a" exe="/a" arch=c000003e syscall=59';
  const broken = [
    record(whole.replace('pid=42 ', '')),
    record(whole.replace('arch=c000003e ', '')),
    record(whole.replace('pid=42', 'pid=x')),
    `type=SECCOMP ${whole}\n`,
  ].join('');
  expect(readProfile('audit', record(whole) + broken).remarks).toEqual([
    'records that cannot be read are left out, 2 with no pid=, 1 with no arch=, 1 with no audit(TIME:SERIAL)',
  ]);
  expect(() => readProfile('audit', broken)).toThrow(
    'file: no SECCOMP records that can be read, 2 with no pid=, 1 with no arch=, 1 with no audit(TIME:SERIAL) (',
  );
});

test('a log without records is refused', () => {
  expect(() => readProfile('audit', 'type=SYSCALL msg=audit(1.000:1): syscall=1')).toThrow(
    'file: no SECCOMP records (type=SECCOMP or type=1326)',
  );
});
