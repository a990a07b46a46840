/*
 * Loads filters and makes calls under them. Reads cases from standard input, one a line:
 *
 *     PROGRAM NR ARG0 ARG1 ARG2 ARG3 ARG4 ARG5
 *
 * PROGRAM is an array of struct sock_filter in hex, the others are hex numbers. Prints a line for each:
 *
 *     refused ERRNO          seccomp(2) failed
 *     returned VALUE         the call came back
 *     trapped ARCH NR        a SIGSYS handler ran
 *     killed thread          only the thread that made the call is gone
 *     killed process         the process died by SIGSYS
 *
 * The thread installs the filter for itself alone, so the rest of the process can see how it ends. Having
 * noted the outcome it dies by an illegal instruction: the filter may not let it do anything else.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum state { STARTED, REFUSED, LOADED, RETURNED, TRAPPED, THREAD_GONE };

struct outcome {
	volatile enum state state;
	volatile int error;
	volatile long value;
	volatile unsigned arch;
	volatile int nr;
};

struct job {
	struct sock_fprog program;
	unsigned long nr;
	unsigned long args[6];
};

static struct outcome *outcome;
static struct job job;

static long make_call(void)
{
	unsigned long *a = job.args;
	long result;
#if defined(__x86_64__)
	register unsigned long r10 __asm__("r10") = a[3];
	register unsigned long r8 __asm__("r8") = a[4];
	register unsigned long r9 __asm__("r9") = a[5];
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(job.nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
#elif defined(__i386__)
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(job.nr), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
			 : "memory");
#else
#error "this victim knows x86 only"
#endif
	return result;
}

static void on_sigsys(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	outcome->arch = info->si_arch;
	outcome->nr = info->si_syscall;
	outcome->state = TRAPPED;
	__builtin_trap();
}

static void *run(void *unused)
{
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &job.program) != 0) {
		outcome->error = errno;
		outcome->state = REFUSED;
		return unused;
	}
	outcome->state = LOADED;
	outcome->value = make_call();
	outcome->state = RETURNED;
	__builtin_trap();
}

static void child(void)
{
	struct sigaction action = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };
	struct rlimit no_core = { 0, 0 };
	pthread_t thread;

	setrlimit(RLIMIT_CORE, &no_core);
	sigaction(SIGSYS, &action, NULL);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || pthread_create(&thread, NULL, run, NULL) != 0)
		_exit(2);
	pthread_join(thread, NULL);
	if (outcome->state == LOADED)
		outcome->state = THREAD_GONE;
	_exit(0);
}

static void report(int status)
{
	switch (outcome->state) {
	case REFUSED:
		printf("refused %d\n", outcome->error);
		return;
	case RETURNED:
		printf("returned %ld\n", outcome->value);
		return;
	case TRAPPED:
		printf("trapped %x %d\n", outcome->arch, outcome->nr);
		return;
	case THREAD_GONE:
		printf("killed thread\n");
		return;
	case LOADED:
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
			printf("killed process\n");
			return;
		}
		break;
	case STARTED:
		break;
	}
	printf("unexpected state %d status %#x\n", outcome->state, status);
}

static void parse(char *line)
{
	char *hex = strtok(line, " ");
	size_t length = strlen(hex) / 16;
	unsigned char *bytes = malloc(length * 8 + 1);

	for (size_t i = 0; i < length * 8; i++)
		sscanf(hex + 2 * i, "%2hhx", &bytes[i]);
	job.program.len = length;
	job.program.filter = (struct sock_filter *)bytes;
	job.nr = strtoul(strtok(NULL, " "), NULL, 16);
	for (int i = 0; i < 6; i++)
		job.args[i] = strtoul(strtok(NULL, " \n"), NULL, 16);
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;

	outcome = mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	while (getline(&line, &size, stdin) > 0) {
		int status;
		pid_t pid;

		parse(line);
		memset((void *)outcome, 0, sizeof *outcome);
		fflush(stdout);
		pid = fork();
		if (pid == 0)
			child();
		waitpid(pid, &status, 0);
		report(status);
		free(job.program.filter);
	}
	return 0;
}
