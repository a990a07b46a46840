/**
 * What a system call is for, in a line: `waits for events on an epoll instance`; null for a name without a row.
 *
 * Names are those of x86-64; other arches share most of them. Source of the facts: the manual pages of section 2 and,
 * for calls that have none, the kernel's own documentation.
 */
export function describeSyscall(name: string): string | null {
  return (table ??= parseRows()).get(name) ?? null;
}

let table: ReadonlyMap<string, string> | undefined;

function parseRows(): ReadonlyMap<string, string> {
  return new Map(
    ROWS.trim()
      .split('\n')
      .map((row): [string, string] => {
        const space = row.indexOf(' ');
        return [row.slice(0, space), row.slice(space + 1)];
      }),
  );
}

/** Lines of name and description, in the order of numbers. */
const ROWS = `
read reads bytes from a file descriptor
write writes bytes to a file descriptor
open opens a file by path, or creates it
close closes a file descriptor
stat tells type, size, owner and times of a file by path
fstat tells type, size, owner and times of an open file
lstat as stat, but of a symbolic link itself
poll waits until one of a list of descriptors is ready
lseek moves the position in an open file
mmap maps a file or fresh memory into the address space
mprotect changes whether memory may be read, written or executed
munmap removes a mapping from the address space
brk moves the end of the heap
rt_sigaction sets what happens on a signal
rt_sigprocmask blocks or unblocks signals for this thread
rt_sigreturn returns from a signal handler
ioctl does what a device or file type offers beyond reading and writing
pread64 reads at a given position without moving it
pwrite64 writes at a given position without moving it
readv reads into several buffers at once
writev writes from several buffers at once
access checks whether a path may be read, written or executed by the real user
pipe makes a pipe
select waits until one of a set of descriptors is ready (older form of poll)
sched_yield lets another thread have the CPU
mremap grows, shrinks or moves a mapping
msync writes a mapped file back to its storage
mincore tells which pages of a mapping are in memory
madvise tells the kernel how memory will be used, or gives it back
shmget gets a System V shared memory segment
shmat maps a System V shared memory segment
shmctl controls or removes a System V shared memory segment
dup duplicates a file descriptor
dup2 duplicates a file descriptor onto a given number
pause sleeps until a signal comes
nanosleep sleeps for a time
getitimer reads an interval timer of the process
alarm asks for SIGALRM after some seconds
setitimer sets an interval timer that sends signals
getpid tells the process id
sendfile copies from one descriptor to another inside the kernel
socket makes a socket
connect connects a socket to an address
accept takes a connection from a listening socket
sendto sends a message from a socket
recvfrom receives a message from a socket
sendmsg sends a message with several parts, descriptors or credentials
recvmsg receives a message with several parts, descriptors or credentials
shutdown ends one or both directions of a connection
bind gives a socket its own address
listen makes a socket take connections
getsockname tells a socket's own address
getpeername tells the address of the other side of a socket
socketpair makes two sockets that are connected to each other
setsockopt sets an option of a socket
getsockopt reads an option of a socket
clone makes a thread or a process, by flags
fork makes a copy of the process
vfork makes a process that borrows the memory of its parent until it executes a program
execve replaces the program of the process
exit ends the calling thread
wait4 waits for a child to end and tells what it used
kill sends a signal to a process or a process group
uname tells the name and release of the kernel and the host's name
semget gets a set of System V semaphores
semop does operations on System V semaphores
semctl controls or removes a set of System V semaphores
shmdt unmaps a System V shared memory segment
msgget gets a System V message queue
msgsnd puts a message into a System V queue
msgrcv takes a message from a System V queue
msgctl controls or removes a System V message queue
fcntl duplicates, locks or sets flags of a descriptor
flock locks a whole file, by agreement
fsync writes a file and its metadata to storage
fdatasync writes the content of a file to storage
truncate cuts or extends a file by path
ftruncate cuts or extends an open file
getdents reads directory entries (older form)
getcwd tells the working directory
chdir changes the working directory by path
fchdir changes the working directory to an open one
rename renames a file
mkdir makes a directory
rmdir removes an empty directory
creat creates a file and opens it for writing
link gives a file a further name
unlink removes a name of a file
symlink makes a symbolic link
readlink reads where a symbolic link leads
chmod changes the permissions of a file by path
fchmod changes the permissions of an open file
chown changes owner and group of a file by path
fchown changes owner and group of an open file
lchown changes owner and group of a symbolic link itself
umask sets which permissions new files do not get
gettimeofday tells the time of day in microseconds
getrlimit reads a resource limit
getrusage tells how much CPU time and memory was used
sysinfo tells uptime, load and memory of the machine
times tells the CPU time used by the process and its children
ptrace observes and controls another process
getuid tells the real user id
syslog reads or controls the kernel's message buffer
getgid tells the real group id
setuid sets the user ids
setgid sets the group ids
geteuid tells the effective user id
getegid tells the effective group id
setpgid puts a process into a process group
getppid tells the id of the parent process
getpgrp tells the own process group
setsid starts a new session without a terminal
setreuid sets real and effective user id
setregid sets real and effective group id
getgroups lists the supplementary groups
setgroups sets the supplementary groups
setresuid sets real, effective and saved user id
getresuid reads real, effective and saved user id
setresgid sets real, effective and saved group id
getresgid reads real, effective and saved group id
getpgid tells the process group of a process
setfsuid sets the user id that counts for file access
setfsgid sets the group id that counts for file access
getsid tells the session of a process
capget reads the capabilities of a thread
capset sets the capabilities of the calling thread
rt_sigpending tells which blocked signals are waiting
rt_sigtimedwait takes a signal from the queue, or waits for one for a time
rt_sigqueueinfo sends a signal with data to a process
rt_sigsuspend sets the signal mask and sleeps until a signal comes
sigaltstack sets the stack on which signal handlers run
utime sets access and modification time of a file, in seconds
mknod makes a device node, a named pipe or a file
uselib loads a shared library (a.out; obsolete)
personality sets how the process is treated, such as address randomisation
ustat tells free space of a mounted file system by device (obsolete)
statfs tells type and free space of a file system by path
fstatfs tells type and free space of the file system of an open file
sysfs translates between names and numbers of file system types (obsolete)
getpriority reads the nice value of a process, group or user
setpriority sets the nice value of a process, group or user
sched_setparam sets the real-time priority
sched_getparam reads the real-time priority
sched_setscheduler sets scheduling policy and priority
sched_getscheduler reads the scheduling policy
sched_get_priority_max tells the highest priority of a scheduling policy
sched_get_priority_min tells the lowest priority of a scheduling policy
sched_rr_get_interval tells the time slice of round-robin scheduling
mlock keeps a range of memory from being swapped out
munlock lets a range of memory be swapped out again
mlockall keeps all memory of the process from being swapped out
munlockall lets all memory be swapped out again
vhangup hangs up the terminal
modify_ldt reads or changes the segment table of the process
pivot_root makes another mount the root of the file system
_sysctl reads or writes kernel parameters by number (removed)
prctl sets or reads attributes of the process or thread: name, seccomp, capabilities, death signal
arch_prctl sets the FS or GS base and other state of the CPU
adjtimex reads or adjusts the kernel's clock
setrlimit sets a resource limit
chroot makes a directory the root for path lookup
sync writes all file systems to storage
acct turns process accounting on or off
settimeofday sets the time of day
mount attaches a file system, or changes a mount
umount2 detaches a file system, with flags
swapon starts swapping to a file or device
swapoff stops swapping to a file or device
reboot restarts or halts the machine, or sets what Ctrl-Alt-Del does
sethostname sets the host's name
setdomainname sets the NIS domain name
iopl gives direct access to all I/O ports
ioperm gives direct access to a range of I/O ports
create_module makes an entry for a kernel module (removed)
init_module loads a kernel module from memory
delete_module unloads a kernel module
get_kernel_syms lists symbols of the kernel (removed)
query_module asks about kernel modules (removed)
quotactl controls disk quotas by path of the device
nfsservctl controls the kernel's NFS server (removed)
getpmsg reserved for STREAMS, never implemented
putpmsg reserved for STREAMS, never implemented
afs_syscall reserved for AFS, never implemented
tuxcall reserved for the TUX web server, never implemented
security reserved for security modules, never implemented
gettid tells the id of the calling thread
readahead reads a part of a file into the page cache
setxattr sets an extended attribute of a file by path
lsetxattr as setxattr, but of a symbolic link itself
fsetxattr sets an extended attribute of an open file
getxattr reads an extended attribute of a file by path
lgetxattr as getxattr, but of a symbolic link itself
fgetxattr reads an extended attribute of an open file
listxattr lists the extended attributes of a file by path
llistxattr as listxattr, but of a symbolic link itself
flistxattr lists the extended attributes of an open file
removexattr removes an extended attribute of a file by path
lremovexattr as removexattr, but of a symbolic link itself
fremovexattr removes an extended attribute of an open file
tkill sends a signal to a thread (older form of tgkill)
time tells the time of day in seconds
futex waits on a word of memory or wakes who waits: the base of locks
sched_setaffinity sets on which CPUs a thread may run
sched_getaffinity tells on which CPUs a thread may run
set_thread_area sets a thread-local storage segment (not on x86-64)
io_setup makes a context for asynchronous I/O
io_destroy ends a context for asynchronous I/O
io_getevents takes finished operations of asynchronous I/O
io_submit hands in operations of asynchronous I/O
io_cancel tries to stop an operation of asynchronous I/O
get_thread_area reads a thread-local storage segment (not on x86-64)
lookup_dcookie tells the path of a profiler's cookie (removed)
epoll_create makes an epoll instance
epoll_ctl_old reserved for an early form of epoll_ctl, never implemented
epoll_wait_old reserved for an early form of epoll_wait, never implemented
remap_file_pages maps pages of a file in another order (emulated today)
getdents64 reads directory entries
set_tid_address sets the address that is cleared when the thread ends
restart_syscall goes on with a call that a stop had interrupted; made by the kernel
semtimedop does operations on System V semaphores, with a time limit
fadvise64 tells the kernel how a file will be read
timer_create makes a POSIX timer
timer_settime starts or stops a POSIX timer
timer_gettime tells the time left on a POSIX timer
timer_getoverrun tells how many expirations of a POSIX timer were missed
timer_delete removes a POSIX timer
clock_settime sets a clock
clock_gettime reads a clock; mostly answered by the vDSO without a call
clock_getres tells the resolution of a clock
clock_nanosleep sleeps by a given clock
exit_group ends all threads of the process
epoll_wait waits for events on an epoll instance
epoll_ctl adds, changes or removes a descriptor of an epoll instance
tgkill sends a signal to one thread of a process
utimes sets access and modification time of a file, in microseconds
vserver reserved for Linux-VServer, never implemented
mbind sets on which NUMA nodes a range of memory lies
set_mempolicy sets the default NUMA policy of the thread
get_mempolicy tells the NUMA policy of a thread or an address
mq_open opens or creates a POSIX message queue
mq_unlink removes a POSIX message queue
mq_timedsend puts a message into a POSIX queue
mq_timedreceive takes a message from a POSIX queue
mq_notify asks to be told when a message arrives in a POSIX queue
mq_getsetattr reads or sets attributes of a POSIX queue
kexec_load loads another kernel to boot into
waitid waits for a child to change its state
add_key puts a key into the kernel's key rings
request_key looks for a key, and may start a helper to make it
keyctl works with the kernel's key rings
ioprio_set sets the I/O priority
ioprio_get reads the I/O priority
inotify_init makes an instance to watch files with
inotify_add_watch watches a file or directory for changes
inotify_rm_watch ends a watch of inotify
migrate_pages moves all pages of a process to other NUMA nodes
openat opens a file by path from a given directory
mkdirat makes a directory, from a given directory
mknodat makes a device node, a named pipe or a file, from a given directory
fchownat changes owner and group of a file, from a given directory
futimesat sets times of a file in microseconds, from a given directory
newfstatat tells type, size, owner and times of a file, from a given directory
unlinkat removes a name or an empty directory, from a given directory
renameat renames a file, from given directories
linkat gives a file a further name, from given directories
symlinkat makes a symbolic link, from a given directory
readlinkat reads where a symbolic link leads, from a given directory
fchmodat changes the permissions of a file, from a given directory
faccessat checks access to a path, from a given directory
pselect6 as select, with a finer time limit and a signal mask
ppoll as poll, with a finer time limit and a signal mask
unshare leaves shared state: new namespaces, own file table
set_robust_list tells the kernel which locks to release if the thread dies
get_robust_list reads the list of robust locks of a thread
splice moves data between a pipe and a descriptor without copying
tee duplicates data from one pipe into another
sync_file_range writes a part of a file to storage
vmsplice maps memory of the process into a pipe
move_pages moves pages of a process to given NUMA nodes
utimensat sets times of a file in nanoseconds, from a given directory
epoll_pwait as epoll_wait, with a signal mask
signalfd makes a descriptor that signals are read from (older form)
timerfd_create makes a timer that is read as a descriptor
eventfd makes a counter to signal with (older form)
fallocate reserves or frees space in a file
timerfd_settime starts or stops a timer descriptor
timerfd_gettime tells the time left on a timer descriptor
accept4 takes a connection, with flags for the new descriptor
signalfd4 makes a descriptor that signals are read from
eventfd2 makes a counter to signal with, as a descriptor
epoll_create1 makes an epoll instance, with flags
dup3 duplicates a descriptor onto a given number, with flags
pipe2 makes a pipe, with flags
inotify_init1 makes an instance to watch files with, with flags
preadv reads into several buffers at a given position
pwritev writes from several buffers at a given position
rt_tgsigqueueinfo sends a signal with data to one thread
perf_event_open opens a counter or sampler of CPU and kernel events
recvmmsg receives several messages at once
fanotify_init makes an instance that is told of, and may deny, file access
fanotify_mark sets what a fanotify instance watches
prlimit64 reads and sets a resource limit, also of another process
name_to_handle_at makes a handle for a file that outlives its path
open_by_handle_at opens a file by such a handle
clock_adjtime reads or adjusts a given clock
syncfs writes the file system of an open file to storage
sendmmsg sends several messages at once
setns enters a namespace by descriptor
getcpu tells on which CPU and NUMA node the thread runs
process_vm_readv copies from the memory of another process
process_vm_writev copies into the memory of another process
kcmp tells whether two processes share a kernel object
finit_module loads a kernel module from a file
sched_setattr sets scheduling policy and its parameters
sched_getattr reads scheduling policy and its parameters
renameat2 renames a file, with flags: exchange, no overwrite
seccomp installs a filter of system calls, or asks what is supported
getrandom fills a buffer with random bytes
memfd_create makes an anonymous file in memory
kexec_file_load loads another kernel from a file to boot into
bpf loads and controls eBPF programs and maps
execveat replaces the program, from a descriptor or a given directory
userfaultfd makes a descriptor by which page faults are handled in user space
membarrier orders memory accesses of all threads, on all CPUs
mlock2 keeps memory from being swapped out, also only once it is touched
copy_file_range copies a part of a file to another inside the kernel
preadv2 as preadv, with flags for each call
pwritev2 as pwritev, with flags for each call
pkey_mprotect as mprotect, with a memory protection key
pkey_alloc takes a memory protection key
pkey_free gives a memory protection key back
statx tells chosen facts of a file, from a given directory
io_pgetevents as io_getevents, with a signal mask
rseq registers an area for restartable sequences, such as per-CPU counters
uretprobe made by the kernel's trampoline when a probed function returns
uprobe made by the kernel's trampoline at a probed instruction
pidfd_send_signal sends a signal to a process by descriptor
io_uring_setup makes queues for I/O without a call for each operation
io_uring_enter hands in and waits for operations of io_uring
io_uring_register registers files, buffers and more with io_uring
open_tree opens a mount, or makes a detached copy of it
move_mount puts a mount into its place
fsopen begins the configuration of a new file system
fsconfig sets parameters of a file system that is being configured
fsmount makes a mount of a configured file system
fspick takes a mounted file system to configure it anew
pidfd_open opens a descriptor for a process
clone3 makes a thread or a process, by a structure of arguments
close_range closes a range of descriptors
openat2 opens a file with rules for how its path is resolved
pidfd_getfd takes a copy of a descriptor of another process
faccessat2 checks access to a path, with flags
process_madvise tells the kernel how another process will use its memory
epoll_pwait2 as epoll_pwait, with a time limit in nanoseconds
mount_setattr changes attributes of a mount or of a tree of mounts
quotactl_fd controls disk quotas by descriptor
landlock_create_ruleset begins a set of Landlock rules
landlock_add_rule adds a rule to a Landlock set
landlock_restrict_self puts a Landlock set into force for this thread
memfd_secret makes memory that not even the kernel maps
process_mrelease frees the memory of a dying process
futex_waitv waits on several futexes at once
set_mempolicy_home_node sets the preferred NUMA node of a range of memory
cachestat tells how much of a file is in the page cache
fchmodat2 changes the permissions of a file, with flags
map_shadow_stack makes a shadow stack for return addresses
futex_wake wakes who waits on a futex (newer interface)
futex_wait waits on a futex (newer interface)
futex_requeue moves who waits from one futex to another (newer interface)
statmount tells facts of a mount by its id
listmount lists the mounts below a mount
lsm_get_self_attr reads attributes that security modules give the thread
lsm_set_self_attr sets an attribute of a security module for the thread
lsm_list_modules lists the active security modules
mseal seals memory: its mapping cannot be changed any more
setxattrat sets an extended attribute, from a given directory
getxattrat reads an extended attribute, from a given directory
listxattrat lists extended attributes, from a given directory
removexattrat removes an extended attribute, from a given directory
open_tree_attr as open_tree, and changes mount attributes in one step
file_getattr reads inode flags of a file, such as immutable
file_setattr sets inode flags of a file, such as immutable
listns lists namespaces
rseq_slice_yield gives back a time slice that was extended by way of rseq
`;
