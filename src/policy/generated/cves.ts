// Data: CVE id and the system calls that an exploit needs, united from the artifact of SysPart (which sysfilter and
// Temporal Specialization use as well), the list of Confine, tests of the Linux Test Project, and the metadata of kernelCTF.
// Left out: ids of bugs in user space (glibc, pkexec), and one id of kernelCTF that is a misspelling of another.
// Do not edit.

/** Lines of CVE id and system calls, by year and number. */
export const CVE_CALLS: string = `
CVE-2008-3527 execve execveat
CVE-2009-3624 keyctl
CVE-2010-3858 execve execveat
CVE-2010-4072 shmctl
CVE-2010-4083 semctl
CVE-2010-4243 execve execveat uselib
CVE-2010-4250 inotify_init1
CVE-2010-4346 execve execveat
CVE-2011-0999 madvise mmap
CVE-2011-1082 epoll_ctl epoll_pwait epoll_wait
CVE-2011-2183 madvise
CVE-2012-0957 personality uname
CVE-2012-3375 epoll_ctl
CVE-2012-3511 madvise
CVE-2012-4530 execve execveat
CVE-2013-0914 execve execveat
CVE-2013-1858 unshare
CVE-2013-1959 write
CVE-2013-1979 recvfrom recvmsg
CVE-2013-2547 sendmsg socket
CVE-2014-0196 ioctl write
CVE-2014-4699 clone fork ptrace
CVE-2014-5207 mount
CVE-2014-7970 pivot_root
CVE-2014-9529 keyctl
CVE-2014-9585 execve execveat
CVE-2014-9903 sched_getattr
CVE-2015-1593 execve execveat
CVE-2015-2686 recvfrom sendto
CVE-2015-3290 modify_ldt perf_event_open
CVE-2015-3339 execve execveat
CVE-2015-7550 keyctl
CVE-2015-7613 msgget semget shmget
CVE-2015-8543 socket
CVE-2016-0728 add_key keyctl request_key
CVE-2016-2383 bpf
CVE-2016-3134 setsockopt
CVE-2016-3672 execve execveat
CVE-2016-4470 keyctl request_key
CVE-2016-4997 setsockopt
CVE-2016-4998 setsockopt
CVE-2016-5195 madvise ptrace write
CVE-2016-7042 add_key keyctl
CVE-2016-7117 recvmmsg
CVE-2016-7911 ioprio_get
CVE-2016-8655 setsockopt
CVE-2016-9604 keyctl
CVE-2016-9793 setsockopt
CVE-2016-10044 io_setup personality
CVE-2017-2618 write
CVE-2017-2636 ioctl write
CVE-2017-2671 connect socket
CVE-2017-5123 waitid
CVE-2017-6001 perf_event_open
CVE-2017-6074 setsockopt
CVE-2017-6951 request_key
CVE-2017-7308 setsockopt
CVE-2017-7472 keyctl
CVE-2017-7616 set_mempolicy
CVE-2017-8890 accept
CVE-2017-10661 timerfd_settime
CVE-2017-12192 keyctl
CVE-2017-12193 add_key
CVE-2017-14140 move_pages
CVE-2017-14954 waitid
CVE-2017-15274 add_key keyctl
CVE-2017-15299 request_key
CVE-2017-15537 ptrace
CVE-2017-15649 bind setsockopt socket
CVE-2017-15951 request_key
CVE-2017-16939 sendto setsockopt socket
CVE-2017-16995 bpf
CVE-2017-17052 clone fork mmap
CVE-2017-17053 clone fork modify_ldt
CVE-2017-17712 sendmsg sendto
CVE-2017-17805 accept bind setsockopt socket
CVE-2017-17806 bind setsockopt socket
CVE-2017-17807 request_key
CVE-2017-18075 sendmsg socket
CVE-2017-18208 madvise
CVE-2017-18344 timer_create
CVE-2017-18509 getsockopt setsockopt
CVE-2017-1000111 setsockopt
CVE-2017-1000112 setsockopt
CVE-2017-1000364 execve mmap
CVE-2017-1000380 ioctl read
CVE-2017-1000405 madvise mmap write
CVE-2018-5803 bind sendto socket
CVE-2018-6927 futex
CVE-2018-7566 ioctl write
CVE-2018-8897 ptrace
CVE-2018-9568 connect
CVE-2018-10124 kill
CVE-2018-11508 adjtimex
CVE-2018-12233 setxattr
CVE-2018-12896 timer_settime
CVE-2018-13053 clock_nanosleep
CVE-2018-13405 creat open openat
CVE-2018-14634 execve execveat
CVE-2018-18281 execve execveat mremap
CVE-2018-18445 bpf
CVE-2018-18559 bind
CVE-2018-18955 clone unshare write
CVE-2018-19854 sendmsg socket
CVE-2018-1000199 ptrace
CVE-2018-1000204 ioctl
CVE-2019-8912 close fchownat socket
CVE-2019-9857 inotify_add_watch
CVE-2019-10125 io_submit
CVE-2019-11815 clone unshare
CVE-2019-13272 ptrace
CVE-2020-11494 ioctl write
CVE-2020-14386 sendto
CVE-2020-14416 ioctl
CVE-2020-25704 perf_event_open
CVE-2020-25705 sendto socket unshare
CVE-2020-29373 io_uring_enter io_uring_register io_uring_setup
CVE-2020-36557 ioctl
CVE-2021-3444 bpf
CVE-2021-3609 connect sendmsg socket
CVE-2021-3653 ioctl
CVE-2021-3656 ioctl
CVE-2021-4037 creat open openat
CVE-2021-4197 open write
CVE-2021-4204 bpf
CVE-2021-22555 setsockopt
CVE-2021-22600 setsockopt
CVE-2021-26708 connect setsockopt socket
CVE-2021-38198 ioctl
CVE-2022-0185 fsconfig
CVE-2022-0847 pipe pipe2 splice write
CVE-2022-2590 madvise write
CVE-2022-4378 open write
CVE-2022-23222 bpf
CVE-2023-0461 clone clone3 setsockopt unshare
CVE-2023-1829 sendmsg socket unshare
CVE-2023-3390 clone clone3 unshare
CVE-2023-3609 clone clone3 unshare
CVE-2023-3611 clone clone3 unshare
CVE-2023-3776 clone clone3 unshare
CVE-2023-3777 clone clone3 unshare
CVE-2023-4004 clone clone3 unshare
CVE-2023-4015 clone clone3 unshare
CVE-2023-4147 clone clone3 unshare
CVE-2023-4206 clone clone3 unshare
CVE-2023-4207 clone clone3 unshare
CVE-2023-4208 clone clone3 unshare
CVE-2023-4244 clone clone3 unshare
CVE-2023-4569 clone clone3 unshare
CVE-2023-4623 clone clone3 unshare
CVE-2023-4921 clone clone3 unshare
CVE-2023-5197 clone clone3 unshare
CVE-2023-5345 clone clone3 unshare
CVE-2023-6111 clone clone3 unshare
CVE-2023-6560 clone clone3 io_uring_enter io_uring_register io_uring_setup unshare
CVE-2023-6817 clone clone3 unshare
CVE-2023-6932 clone clone3 unshare
CVE-2023-31248 sendmsg socket unshare
CVE-2023-31436 clone clone3 unshare
CVE-2023-32233 clone clone3 unshare
CVE-2023-52433 clone clone3 unshare
CVE-2023-52620 clone clone3 unshare
CVE-2023-52879 fanotify_init fanotify_mark
CVE-2023-52924 clone clone3 unshare
CVE-2023-52925 clone clone3 unshare
CVE-2023-52926 io_uring_enter io_uring_register io_uring_setup
CVE-2023-52927 clone clone3 unshare
CVE-2024-0193 clone clone3 unshare
CVE-2024-0582 io_uring_enter io_uring_register io_uring_setup
CVE-2024-1085 clone clone3 unshare
CVE-2024-1086 clone clone3 unshare
CVE-2024-26581 clone clone3 unshare
CVE-2024-26642 clone clone3 unshare
CVE-2024-26808 clone clone3 unshare
CVE-2024-26809 clone clone3 unshare
CVE-2024-26925 clone clone3 unshare
CVE-2024-27397 clone clone3 unshare
CVE-2024-39503 clone clone3 unshare
CVE-2024-41010 clone clone3 unshare
CVE-2024-42318 landlock_add_rule landlock_create_ruleset landlock_restrict_self
CVE-2024-53141 clone clone3 unshare
CVE-2024-53164 clone clone3 unshare
CVE-2024-57947 clone clone3 unshare
CVE-2025-21700 clone clone3 unshare
CVE-2025-21701 clone clone3 unshare
CVE-2025-21702 clone clone3 unshare
CVE-2025-21756 bind connect socket
CVE-2025-21836 io_uring_enter io_uring_register io_uring_setup
CVE-2025-37752 clone clone3 unshare
CVE-2025-38001 clone clone3 unshare
CVE-2025-38083 clone clone3 unshare
CVE-2025-38236 recvfrom recvmsg sendmsg sendto socketpair
CVE-2025-38350 clone clone3 unshare
CVE-2025-38477 clone clone3 unshare
CVE-2025-38500 clone clone3 unshare
CVE-2025-39965 clone clone3 unshare
CVE-2025-40364 clone clone3 io_uring_enter io_uring_register io_uring_setup unshare
CVE-2026-31431 accept bind setsockopt socket splice
CVE-2026-43284 socket splice
CVE-2026-43494 io_uring_enter io_uring_register io_uring_setup
CVE-2026-46300 setsockopt socket splice unshare
CVE-2026-53362 setsockopt
CVE-2026-64564 accept bind connect listen setsockopt socket
CVE-2026-64600 ioctl pread64 pwrite64
`;
