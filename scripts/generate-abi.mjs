// Writes src/abi/generated/ from the kernel's user-space headers.
//
//   node scripts/generate-abi.mjs --headers DIR [--manual FILE] [--check]
//
// DIR holds the unpacked Debian package linux-libc-dev 6.11 or newer, which carries the headers of every
// architecture (`apt-get download linux-libc-dev && dpkg -x linux-libc-dev_*.deb DIR`); its version is read from
// DIR/usr/share/doc. FILE is syscalls.2.gz of manpages-dev, by default the installed one. Socket constants that the
// kernel keeps out of its user-space headers come from the installed libc6-dev. gcc evaluates the constants; it
// never runs what it compiles. `--check` compares with what is there and writes nothing.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';

const { values: options } = parseArgs({
  options: {
    headers: { type: 'string' },
    manual: { type: 'string', default: '/usr/share/man/man2/syscalls.2.gz' },
    check: { type: 'boolean', default: false },
  },
});
if (options.headers === undefined) throw new Error('generate-abi: --headers DIR is missing');

const uapi = join(options.headers, 'usr/lib/linux/uapi');
if (!existsSync(join(uapi, 'arm64')))
  throw new Error(`generate-abi: ${uapi} has no arm64 headers (linux-libc-dev 6.11 or newer is needed)`);

const sources = {
  headers: `linux-libc-dev ${changelogVersion(join(options.headers, 'usr/share/doc/linux-libc-dev'))}`,
  manual: `manpages-dev ${installedVersion('manpages-dev')}`,
  libc: `libc6-dev ${installedVersion('libc6-dev')}`,
};

/** Where each table is read from, and the first release that had the arch at all. */
const TABLES = [
  { arch: 'x86_64', file: 'x86/asm/unistd_64.h', constant: 'X86_64_SYSCALLS', born: '2.6' },
  { arch: 'i386', file: 'x86/asm/unistd_32.h', constant: 'I386_SYSCALLS', born: '1.0' },
  { arch: 'x32', file: 'x86/asm/unistd_x32.h', constant: 'X32_SYSCALLS', born: '3.4' },
  { arch: 'aarch64', file: 'arm64/asm/unistd_64.h', constant: 'AARCH64_SYSCALLS', born: '3.7' },
];

/**
 * Releases that the table of syscalls(2) does not give: the calls after 5.14 and the time64 variants. From the history
 * sections of the calls' own pages in man-pages 6.20 where they have one, else from the kernel release for which
 * libseccomp and the container runtimes took the call into their tables.
 */
const SINCE = {
  5.1:
    'clock_gettime64 clock_settime64 clock_adjtime64 clock_getres_time64 clock_nanosleep_time64 timer_gettime64 ' +
    'timer_settime64 timerfd_gettime64 timerfd_settime64 utimensat_time64 pselect6_time64 ppoll_time64 ' +
    'io_pgetevents_time64 recvmmsg_time64 mq_timedsend_time64 mq_timedreceive_time64 semtimedop_time64 ' +
    'rt_sigtimedwait_time64 futex_time64 sched_rr_get_interval_time64',
  5.12: 'mount_setattr',
  5.15: 'process_mrelease',
  5.16: 'futex_waitv',
  5.17: 'set_mempolicy_home_node',
  6.5: 'cachestat',
  6.6: 'fchmodat2 map_shadow_stack',
  6.7: 'futex_wake futex_wait futex_requeue',
  6.8: 'statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules',
  '6.10': 'mseal',
  6.11: 'uretprobe',
  6.13: 'setxattrat getxattrat listxattrat removexattrat',
  6.15: 'open_tree_attr',
  6.17: 'file_getattr file_setattr',
  6.18: 'uprobe',
  6.19: 'listns',
  '7.0': 'rseq_slice_yield',
  // Added as pread and pwrite; note in the same table of syscalls(2).
  2.2: 'pread64 pwrite64',
};

/** Calls that i386 got long after the others had them, until then only by socketcall and ipc, or not at all. */
const SINCE_ON_I386 = {
  4.3:
    'socket socketpair bind connect listen accept4 getsockopt setsockopt getsockname getpeername sendto sendmsg ' +
    'recvfrom recvmsg shutdown',
  4.12: 'arch_prctl',
  5.1: 'semget semctl shmget shmctl shmat shmdt msgget msgsnd msgrcv msgctl',
};

/** Reserved numbers without an implementation in any release ("Unimplemented system calls" of syscalls(2)). */
const NEVER_IMPLEMENTED = new Set(
  (
    'afs_syscall break ftime getpmsg gtty idle lock mpx prof profil putpmsg security stty tuxcall ulimit vserver ' +
    'epoll_ctl_old epoll_wait_old'
  ).split(' '),
);

const row = (name, headers, names, rest = {}) => ({ name, headers: headers.split(' '), names, ...rest });

/**
 * Which constants of which headers name the values of which arguments. `names` picks macros and enumerators,
 * `except` takes out neighbours of the same prefix unless `also` fits, `enumeration` leaves only those of one enum.
 * Of two names for one value the first in the header wins, unless `prefer` lists the other. `x86` marks headers that
 * only x86 has.
 */
const VALUE_SETS = [
  row('access-at', 'linux/fcntl.h', /^AT_(SYMLINK_NOFOLLOW|EACCESS|EMPTY_PATH)$/),
  row('arch-prctl-op', 'asm/prctl.h', /^ARCH_/, {
    except: /^ARCH_(SHSTK_(SHSTK|WRSS)|XCOMP_TILE.*)$/,
    x86: true,
  }),
  row(
    'at-flags',
    'linux/fcntl.h',
    /^AT_(SYMLINK_NOFOLLOW|SYMLINK_FOLLOW|NO_AUTOMOUNT|EMPTY_PATH|RECURSIVE|STATX_FORCE_SYNC|STATX_DONT_SYNC)$/,
  ),
  row(
    'bpf-cmd',
    'linux/bpf.h',
    /^BPF_(MAP|PROG|OBJ|RAW_TRACEPOINT|BTF|TASK|LINK|ENABLE|ITER|TOKEN|STREAM)_[A-Z_0-9]+$/,
    {
      except:
        /^BPF_(MAP_TYPE|PROG_TYPE|LINK_TYPE|TASK_ITER|TASK_STORAGE|PROG_TEST_RUN$|LINK_CREATE_|OBJ_NAME|ITER_(?!CREATE)|MAP_ITER|BTF_(?!LOAD|GET)|STREAM_(STD|MAX))/,
      enumeration: 'bpf_cmd',
    },
  ),
  row('clock-id', 'linux/time.h', /^CLOCK_/, { except: /^CLOCK_AUX_LAST$/ }),
  row('clone-flags', 'linux/sched.h', /^CLONE_/, {
    except: /^CLONE_(ARGS_|NEWTIME$|CLEAR_SIGHAND$|INTO_CGROUP$|AUTOREAP|NNP|PIDFD_AUTOKILL|EMPTY_MNTNS)/,
  }),
  row('clone3-flags', 'linux/sched.h', /^CLONE_/, { except: /^CLONE_ARGS_/ }),
  row('close-range-flags', 'linux/close_range.h', /^CLOSE_RANGE_/),
  row('epoll-create-flags', 'linux/eventpoll.h', /^EPOLL_CLOEXEC$/),
  row('epoll-op', 'linux/eventpoll.h', /^EPOLL_CTL_/),
  row('eventfd-flags', 'linux/eventfd.h', /^EFD_/),
  row('fadvise-advice', 'linux/fadvise.h', /^POSIX_FADV_/),
  row('fallocate-mode', 'linux/falloc.h', /^FALLOC_FL_/),
  row('fcntl-cmd', 'linux/fcntl.h', /^F_[A-Z0-9_]+$/, {
    except: /^F_(RDLCK|WRLCK|UNLCK|EXLCK|SHLCK|LINUX_SPECIFIC_BASE)$|^F_OWNER_|^F_SEAL_/,
  }),
  row('fd-flags', 'linux/fcntl.h', /^O_(CLOEXEC|NONBLOCK|DIRECT)$/),
  row('flock-op', 'linux/fcntl.h', /^LOCK_/),
  row('fsconfig-cmd', 'linux/mount.h', /^FSCONFIG_/),
  row('fsmount-flags', 'linux/mount.h', /^FSMOUNT_/),
  row('fsopen-flags', 'linux/mount.h', /^FSOPEN_/),
  row('fspick-flags', 'linux/mount.h', /^FSPICK_/),
  row('futex-op', 'linux/futex.h', /^FUTEX_[A-Z_0-9]+$/, {
    except:
      /_PRIVATE$|^FUTEX_(CMD_MASK|WAITERS|OWNER_DIED|TID_MASK|BITSET_MATCH_ANY|OP_|32$|WAITV_MAX|NO_NODE|UNLOCK_\w+_LIST|ROBUST_(?!UNLOCK$|LIST32$))/,
  }),
  row('futex2-flags', 'linux/futex.h', /^FUTEX2_/, { except: /^FUTEX2_(SIZE_MASK|SIZE_U8)$/ }),
  row('getrandom-flags', 'linux/random.h', /^GRND_/),
  row('inotify-flags', 'linux/inotify.h', /^IN_(CLOEXEC|NONBLOCK)$/),
  row('io-uring-enter-flags', 'linux/io_uring.h', /^IORING_ENTER_/),
  row('io-uring-register-op', 'linux/io_uring.h', /^IORING_(REGISTER|UNREGISTER)_/, {
    except: /^IORING_REGISTER_(LAST|FILES_SKIP|USE_REGISTERED_RING|SRC_|DST_)/,
  }),
  row('io-uring-setup-flags', 'linux/io_uring.h', /^IORING_SETUP_/),
  row(
    'ioctl-request',
    'stddef.h asm/termbits.h asm/ioctls.h linux/types.h linux/serial.h linux/blktrace_api.h linux/sockios.h linux/fs.h linux/fiemap.h linux/if_tun.h linux/perf_event.h linux/random.h ' +
      'linux/loop.h linux/vt.h linux/kd.h linux/userfaultfd.h linux/nsfs.h linux/seccomp.h linux/pidfd.h linux/eventpoll.h ' +
      'linux/rtc.h linux/watchdog.h linux/fscrypt.h linux/fsverity.h linux/termios.h linux/kvm.h',
    /^(TC[SGX]|TIOC|FIO|FI[A-Z]+$|SIOC|FS_IOC_|BLK[A-Z0-9]+$|TUN[SGA]|PERF_EVENT_IOC_|RND|LOOP_|VT_|KD[A-Z]+$|KIOC|GIO_|PIO_|UFFDIO_|NS_|SECCOMP_IOCTL_|PIDFD_GET_|EPIOC|RTC_|WDIOC_|KVM_(GET_API_VERSION|CREATE_VM|CREATE_VCPU|CHECK_EXTENSION|GET_VCPU_MMAP_SIZE|RUN|SET_USER_MEMORY_REGION|IRQFD|IOEVENTFD|IRQ_LINE)$)/,
    {
      except:
        /^TIOC(M_|PKT_|SER_)|^(SIOCDEVPRIVATE|SIOCPROTOPRIVATE)|^PERF_EVENT_IOC_FLAG|^FS_IOC_GETFSMAP$|_(NR|MASK|SIZE|MAX|IOCTLS)$|^UFFDIO_(?!API$)[A-Z_]*_(MODE|FLAG)|^VT_(AUTO|PROCESS|ACKACQ|MAX)|^(TCSA|TCSANOW|KD_|RNDIS)|^LOOP_(SET_STATUS_|CONFIGURE_)|^RTC_(BSM_|VL_(?!READ|CLR)|AF|IRQF|PF|UF|MAX|FEATURE|PARAM_[A-Z]+$)|^VT_EVENT|^NS_(?!GET)|^SIOCGSTAMP(NS)?$/,
    },
  ),
  row('ioprio-which', 'linux/ioprio.h', /^IOPRIO_WHO_/),
  row('ipc-call', 'linux/ipc.h', /^(SEM|MSG|SHM)(OP|GET|CTL|TIMEDOP|SND|RCV|AT|DT)$/),
  row('ipc-flags', 'linux/ipc.h', /^IPC_(CREAT|EXCL|NOWAIT)$/),
  row('itimer-which', 'linux/time.h', /^ITIMER_/),
  row('kcmp-type', 'linux/kcmp.h', /^KCMP_/, { except: /^KCMP_TYPES$/ }),
  row('keyctl-op', 'linux/keyctl.h', /^KEYCTL_/, { except: /^KEYCTL_(CAPS|SUPPORTS_|MOVE_EXCL)/ }),
  row('landlock-restrict-flags', 'linux/landlock.h', /^LANDLOCK_RESTRICT_SELF_/),
  row('landlock-rule-type', 'linux/landlock.h', /^LANDLOCK_RULE_/),
  row('landlock-ruleset-flags', 'linux/landlock.h', /^LANDLOCK_CREATE_RULESET_/),
  row('lsm-attr', 'linux/lsm.h', /^LSM_ATTR_/),
  row('madvise-advice', 'asm/mman.h', /^MADV_/),
  row('map-flags', 'asm/mman.h linux/mman.h', /^MAP_/, { except: /^MAP_(FILE|TYPE|HUGE_.*|UNINITIALIZED)$/ }),
  row('mbind-mode', 'linux/mempolicy.h', /^MPOL_/, {
    except: /^MPOL_(MAX|MF_|MODE_FLAGS|USER_|F_(NODE|ADDR|MEMS|SHARED|MOF|MORON))/,
  }),
  row('membarrier-cmd', 'linux/membarrier.h', /^MEMBARRIER_CMD_/, {
    except: /^MEMBARRIER_CMD_(FLAG_|SHARED$)/,
  }),
  row('memfd-flags', 'linux/memfd.h', /^MFD_/, { except: /^MFD_HUGE_/ }),
  row('mlockall-flags', 'asm/mman.h', /^MCL_/),
  row('mount-attr', 'linux/mount.h', /^MOUNT_ATTR_/, { except: /^MOUNT_ATTR_(SIZE|_ATIME|RELATIME)/ }),
  row('mount-flags', 'linux/mount.h', /^MS_/, {
    except:
      /^MS_(RMT_MASK|MGC_MSK|MGC_VAL|KERNMOUNT|SUBMOUNT|NOREMOTELOCK|NOSEC|BORN|ACTIVE|NOUSER|VERBOSE)$/,
  }),
  row('move-mount-flags', 'linux/mount.h', /^MOVE_MOUNT_/, { except: /__MASK$/ }),
  row('mremap-flags', 'linux/mman.h', /^MREMAP_/),
  row('msg-flags', 'sys/socket.h', /^MSG_/),
  row('msgctl-cmd', 'linux/msg.h', /^(IPC_(RMID|SET|STAT|INFO|64)|MSG_(STAT|INFO|STAT_ANY))$/),
  row('msync-flags', 'asm/mman.h', /^MS_/),
  row('namespace-flags', 'linux/sched.h', /^CLONE_NEW/),
  row('open-flags', 'linux/fcntl.h', /^(O_[A-Z]+|FASYNC)$/, { except: /^O_(ACCMODE|NDELAY)$/ }),
  row(
    'open-tree-flags',
    'linux/mount.h linux/fcntl.h',
    /^(OPEN_TREE_|AT_(RECURSIVE|SYMLINK_NOFOLLOW|NO_AUTOMOUNT|EMPTY_PATH)$)/,
  ),
  row('perf-flags', 'linux/perf_event.h', /^PERF_FLAG_/),
  row('perf-type', 'linux/perf_event.h', /^PERF_TYPE_/, { except: /^PERF_TYPE_MAX$/ }),
  row(
    'personality',
    'linux/personality.h',
    /^(PER_LINUX|PER_LINUX32|UNAME26|ADDR_.*|FDPIC_.*|MMAP_.*|READ_.*|SHORT_.*|WHOLE_.*|STICKY_.*)$/,
  ),
  row('pidfd-flags', 'linux/pidfd.h', /^PIDFD_(NONBLOCK|THREAD)$/),
  row('pidfd-signal-flags', 'linux/pidfd.h', /^PIDFD_SIGNAL_/),
  row('pkey-rights', 'asm/mman.h', /^PKEY_DISABLE_/),
  row('prctl-option', 'linux/prctl.h', /^PR_/, {
    except:
      /^PR_(UNALIGN|FPEMU|FP_EXC|FP_MODE|TIMING|ENDIAN|TSC|SET_MM|CAP_AMBIENT|SPEC|PAC_AP|TAGGED|MTE|SCHED_CORE|SYS_DISPATCH|MDWE|MCE_KILL|SVE_VL|SME_VL|RISCV_V_VSTATE|RISCV_V|RISCV_CTX|RISCV_SCOPE|PPC_DEXCR|TIMER_CREATE_RESTORE_IDS|FUTEX_HASH|SHADOW_STACK|THP|RSEQ_SLICE|CFI)_|^PR_(SVE|SME)_SET_VL_ONEXEC$|^PR_(SET_PTRACER_ANY|SET_VMA_ANON_NAME|PMLEN_MASK)$/,
    also: /^PR_(MCE_KILL_GET|PAC_GET_ENABLED_KEYS|RISCV_V_(GET|SET)_CONTROL|RISCV_SET_ICACHE_FLUSH_CTX|RSEQ_SLICE_EXTENSION)$/,
  }),
  row('priority-which', 'sys/resource.h', /^PRIO_(PROCESS|PGRP|USER)$/),
  row('prot', 'asm/mman.h', /^PROT_/),
  row('ptrace-request', 'linux/ptrace.h asm/ptrace.h', /^PTRACE_/, {
    except: /^PTRACE_(O_|EVENT_|SYSCALL_INFO_|PEEKSIGINFO_SHARED)/,
  }),
  row('reboot-cmd', 'linux/reboot.h', /^LINUX_REBOOT_CMD_/),
  row('rename-flags', 'linux/fs.h', /^RENAME_/),
  row('resolve-flags', 'linux/openat2.h', /^RESOLVE_/),
  row('resource', 'linux/resource.h', /^RLIMIT_/),
  row('rseq-flags', 'linux/rseq.h', /^RSEQ_FLAG_/),
  row('rusage-who', 'linux/resource.h', /^RUSAGE_/, { except: /^RUSAGE_BOTH$/ }),
  row('rw-flags', 'linux/fs.h', /^RWF_/, { except: /^RWF_SUPPORTED$/ }),
  row('sched-policy', 'linux/sched.h', /^SCHED_/, { except: /^SCHED_(FLAG_|ATTR_|GETATTR)/ }),
  row('seccomp-flags', 'linux/seccomp.h', /^SECCOMP_FILTER_FLAG_/),
  row('seccomp-op', 'linux/seccomp.h', /^SECCOMP_(SET_MODE_|GET_)/),
  row('seek-whence', 'linux/fs.h', /^SEEK_/, { except: /^SEEK_MAX$/ }),
  row(
    'semctl-cmd',
    'linux/sem.h',
    /^(IPC_(RMID|SET|STAT|INFO|64)|SEM_(STAT|INFO|STAT_ANY)|GET(PID|VAL|ALL|NCNT|ZCNT)|SET(VAL|ALL))$/,
  ),
  row('shmat-flags', 'linux/shm.h', /^SHM_(RDONLY|RND|REMAP|EXEC)$/),
  row('shmctl-cmd', 'linux/shm.h', /^(IPC_(RMID|SET|STAT|INFO|64)|SHM_(LOCK|UNLOCK|STAT|INFO|STAT_ANY))$/),
  row('shmget-flags', 'linux/shm.h linux/ipc.h', /^(IPC_(CREAT|EXCL)|SHM_(HUGETLB|NORESERVE))$/),
  row('shutdown-how', 'sys/socket.h', /^SHUT_/),
  row('signalfd-flags', 'linux/signalfd.h', /^SFD_/),
  row('sigprocmask-how', 'asm/signal.h', /^SIG_(BLOCK|UNBLOCK|SETMASK)$/),
  row('socket-domain', 'sys/socket.h', /^AF_/, { except: /^AF_(MAX|LOCAL|FILE|ROUTE)$/ }),
  row('socket-flags', 'sys/socket.h', /^SOCK_(CLOEXEC|NONBLOCK)$/),
  row('socket-type', 'sys/socket.h', /^SOCK_/),
  row('socketcall-call', 'linux/net.h', /^SYS_/),
  row(
    'sockopt-level',
    'sys/socket.h linux/in.h linux/in6.h',
    /^(SOL_SOCKET|SOL_[A-Z0-9_]+|IPPROTO_(IP|TCP|UDP|IPV6|ICMPV6|RAW|SCTP|UDPLITE|MPTCP))$/,
    {
      prefer: ['SOL_SOCKET', 'IPPROTO_IP', 'IPPROTO_TCP', 'IPPROTO_UDP', 'IPPROTO_IPV6', 'IPPROTO_ICMPV6'],
    },
  ),
  row('splice-flags', 'fcntl.h', /^SPLICE_F_/),
  row('sync-range-flags', 'linux/fs.h', /^SYNC_FILE_RANGE_/, { except: /_AND_WAIT$/ }),
  row('timer-flags', 'linux/time.h', /^TIMER_ABSTIME$/),
  row('timerfd-flags', 'linux/timerfd.h', /^TFD_(CLOEXEC|NONBLOCK)$/),
  row('timerfd-timer-flags', 'linux/timerfd.h', /^TFD_TIMER_/),
  row('umount-flags', 'sys/mount.h', /^(MNT_(FORCE|DETACH|EXPIRE)|UMOUNT_NOFOLLOW)$/),
  row('unlink-at', 'linux/fcntl.h', /^AT_REMOVEDIR$/),
  row(
    'userfaultfd-flags',
    'linux/userfaultfd.h linux/fcntl.h',
    /^(UFFD_USER_MODE_ONLY|O_CLOEXEC|O_NONBLOCK)$/,
  ),
  row('wait-id-type', 'linux/wait.h', /^P_/),
  row('wait-options', 'linux/wait.h', /^(W[A-Z]+|__W[A-Z]+)$/),
];

const work = mkdtempSync(join(tmpdir(), 'generate-abi-'));
const output = join(import.meta.dirname, '../src/abi/generated');
let differences = 0;
try {
  mkdirSync(output, { recursive: true });
  for (const name of ['headers', 'manual', 'libc']) console.log(`source: ${sources[name]}`);
  writeSyscalls();
  writeErrnos();
  writeValueSets();
} finally {
  rmSync(work, { recursive: true, force: true });
}
if (differences > 0) process.exitCode = 1;

function writeSyscalls() {
  const since = new Map([...sinceFromManual(), ...inverted(SINCE)]);
  const sinceOnI386 = inverted(SINCE_ON_I386);
  for (const table of TABLES) {
    const text = readFileSync(join(uapi, table.file), 'utf8');
    const rows = [...text.matchAll(/^#define __NR_(\w+)\s+(?:\(__X32_SYSCALL_BIT \+ )?(\d+)\)?$/gm)]
      .map(([, name, nr]) => ({ name, nr: Number(nr) }))
      .sort((a, b) => a.nr - b.nr)
      .map(({ name, nr }) => {
        const release = (table.arch === 'i386' ? sinceOnI386.get(name) : undefined) ?? since.get(name);
        if (release === undefined && !NEVER_IMPLEMENTED.has(name)) {
          console.log(`warning: ${table.arch} ${name}: release unknown`);
        }
        return release === undefined ? `${nr} ${name}` : `${nr} ${name} ${later(release, table.born)}`;
      });
    console.log(`${table.arch}: ${rows.length} calls`);
    write(
      `syscalls-${table.arch.replace('_', '-')}.ts`,
      `Generated by scripts/generate-abi.mjs from ${table.file} of ${sources.headers};\n// releases from syscalls(2) of ${sources.manual} and the table in the generator.`,
      `/** Lines of number, name and first release; no release for numbers that were never implemented. */\nexport const ${table.constant}: string = \`\n${rows.join('\n')}\n\`;\n`,
    );
  }
}

/** syscalls(2), column "Kernel"; of two releases the one of the main line, not the back-port. */
function sinceFromManual() {
  const page = gunzipSync(readFileSync(options.manual)).toString('utf8');
  const list = page
    .slice(page.indexOf('available as at'))
    .replaceAll(/^\.\\".*\n/gm, '')
    .replaceAll(/T\{\n([\s\S]*?)\nT\}/g, (_, cell) => cell.replaceAll('\n', ' '));
  const found = new Map();
  for (const [, name, cell] of list.matchAll(
    /^(?:\\fB|\\f\[B\]|\.BR )(\w+)(?:\\fP|\\f\[\])?\s*\(2\)\t([^\t\n]+)/gm,
  )) {
    const releases = cell.split(';').map((part) => part.trim());
    found.set(name, releases.toSorted((a, b) => a.split('.').length - b.split('.').length)[0]);
  }
  if (found.size < 400) throw new Error(`generate-abi: ${options.manual} gives only ${found.size} calls`);
  return found;
}

function writeErrnos() {
  const rows = evaluate('x86_64', { headers: ['linux/errno.h'], names: /^E[A-Z0-9]+$/ });
  const canonical = new Map();
  const aliases = [];
  for (const { name, value } of rows) {
    if (canonical.has(value)) aliases.push(`${value} ${name}`);
    else canonical.set(value, name);
  }
  const lines = [...canonical].sort(byValue).map(([value, name]) => `${value} ${name}`);
  console.log(`errnos: ${lines.length}, aliases ${aliases.join(', ')}`);
  write(
    'errnos.ts',
    `Generated by scripts/generate-abi.mjs from asm-generic/errno-base.h and errno.h of ${sources.headers}.`,
    `/** Lines of number and name. */\nexport const ERRNOS: string = \`\n${lines.join('\n')}\n\`;\n\n` +
      `/** Lines of number and second name. */\nexport const ERRNO_ALIASES: string = \`\n${aliases.join('\n')}\n\`;\n`,
  );
}

function writeValueSets() {
  const bodies = [];
  const arches = ['x86_64', 'i386', 'aarch64'];
  const perArch = { i386: [], aarch64: [] };
  for (const set of VALUE_SETS) {
    const texts = arches.map((each) => {
      const arch = set.x86 ? 'x86_64' : each;
      const chosen = new Map();
      for (const { name, value } of evaluate(arch, set)) {
        const previous = chosen.get(value);
        if (previous === undefined || set.prefer?.includes(name)) chosen.set(value, name);
      }
      return [...chosen]
        .sort(byValue)
        .map(([value, name]) => `${literal(value)} ${name}`)
        .join('\n');
    });
    if (texts[0] === '') throw new Error(`generate-abi: value set ${set.name} is empty`);
    bodies.push(entry(set.name, texts[0]));
    for (const [index, arch] of [
      [1, 'i386'],
      [2, 'aarch64'],
    ]) {
      if (texts[index] !== texts[0]) perArch[arch].push(entry(set.name, texts[index]));
    }
  }
  console.log(
    `value sets: ${bodies.length}; other on i386: ${perArch.i386.length}, on aarch64: ${perArch.aarch64.length}`,
  );
  const record = (name, doc, entries) =>
    `/** ${doc} */\nexport const ${name}: Readonly<Record<string, string>> = {\n${entries.join('\n')}\n};\n`;
  write(
    'argument-values.ts',
    `Generated by scripts/generate-abi.mjs from the headers that scripts/abi-value-sets.mjs names, of\n// ${sources.headers} and ${sources.libc}.`,
    [
      record(
        'VALUE_SETS',
        'Sets of named values by their name: lines of value and name, x86_64 and x32.',
        bodies,
      ),
      record('I386_VALUE_SETS', 'The sets that differ on i386, whole.', perArch.i386),
      record('AARCH64_VALUE_SETS', 'The sets that differ on aarch64, whole.', perArch.aarch64),
    ].join('\n'),
  );
}

function entry(name, lines) {
  return `  ${/-/.test(name) ? `'${name}'` : name}: \`\n${lines}\n\`,`;
}

function literal(value) {
  return value < 1024n ? value.toString() : `0x${value.toString(16)}`;
}

/** Macros and enumerators of the headers that the set picks, in the order of the source, with their values. */
function evaluate(arch, { headers, names, except, also, enumeration }) {
  const source = headers.map((header) => `#include <${header}>\n`).join('');
  const text = compile(arch, source, ['-E', '-dD']);
  const found = new Set();
  for (const [, macro, tag, body] of text.matchAll(
    /^#define (\w+) +\S.*$|\benum\b\s*(\w*)\s*\{([^}]*)\}/gm,
  )) {
    if (enumeration !== undefined && tag !== enumeration) continue;
    const parts = body?.replaceAll(/^#.*$/gm, '').split(',') ?? [];
    for (const name of macro === undefined ? parts.map((part) => part.trim().split(/[\s=]/)[0]) : [macro]) {
      if (names.test(name) && (!except?.test(name) || also?.test(name))) found.add(name);
    }
  }
  // A header may take a macro back, so each is tried again; an enumerator is no macro and always there.
  const gone = new Set([...text.matchAll(/^#undef (\w+)/gm)].map(([, name]) => name));
  const probes = [...found].map((name) => {
    const probe = `asm volatile("\\n@@ ${name} %c0 %c1" :: "i"((unsigned)(V(${name}) >> 32)), "i"((unsigned)V(${name})));`;
    return gone.has(name) ? `#ifdef ${name}\n${probe}\n#endif` : probe;
  });
  const body = `${source}#define V(x) ((unsigned long long)(x))\nvoid probe(void) {\n${probes.join('\n')}\n}\n`;
  return [...compile(arch, body, ['-S', '-w', '-O1']).matchAll(/^@@ (\w+) (-?\d+) (-?\d+)$/gm)].map(
    ([, name, high, low]) => {
      const value = (BigInt.asUintN(32, BigInt(high)) << 32n) | BigInt.asUintN(32, BigInt(low));
      // A negative int as a 32-bit register shows it: -1 of RUSAGE_CHILDREN is 0xffffffff.
      return { name, value: value >> 32n === 0xffffffffn ? BigInt.asUintN(32, value) : value };
    },
  );
}

function compile(arch, source, flags) {
  const stubs = join(work, 'gnu');
  mkdirSync(stubs, { recursive: true });
  writeFileSync(join(stubs, 'stubs-32.h'), '');
  const include = [
    execFileSync('gcc', ['-print-file-name=include'], { encoding: 'utf8' }).trim(),
    join(uapi, arch === 'aarch64' ? 'arm64' : 'x86'),
    join(options.headers, 'usr/include'),
    '/usr/include/x86_64-linux-gnu',
    '/usr/include',
    work,
  ].flatMap((directory) => ['-isystem', directory]);
  const bits = arch === 'i386' ? '-m32' : '-m64';
  return execFileSync(
    'gcc',
    ['-x', 'c', '-', '-o', '-', '-D_GNU_SOURCE', '-nostdinc', bits, ...include, ...flags],
    {
      input: source,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    },
  );
}

function byValue([a], [b]) {
  return a < b ? -1 : 1;
}

function inverted(byRelease) {
  return new Map(
    Object.entries(byRelease).flatMap(([release, names]) => names.split(' ').map((name) => [name, release])),
  );
}

function later(a, b) {
  const [left, right] = [a, b].map((release) => release.split('.').map(Number));
  for (let index = 0; index < 3; index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference > 0 ? a : b;
  }
  return a;
}

function changelogVersion(directory) {
  const changelog = gunzipSync(readFileSync(join(directory, 'changelog.Debian.gz'))).toString('utf8');
  return /^\S+ \(([^)]+)\)/.exec(changelog)?.[1] ?? 'of unknown version';
}

function installedVersion(name) {
  return execFileSync('dpkg-query', ['-W', '-f', '${Version}', name], { encoding: 'utf8' });
}

function write(file, source, body) {
  const path = join(output, file);
  const text = `// ${source}\n// Do not edit.\n\n${body}`;
  if (!options.check) writeFileSync(path, text);
  else if (!existsSync(path) || readFileSync(path, 'utf8') !== text) {
    console.log(`differs: ${file}`);
    differences++;
  }
}
