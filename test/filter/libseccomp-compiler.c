/*
 * Has libseccomp compile a filter and writes the program to standard output. Reads from standard input:
 *
 *     optimize LEVEL                     SCMP_FLTATR_CTL_OPTIMIZE
 *     default ACTION                     SCMP_ACT_*, hex
 *     arch NAME                          begins a section; ends the one before
 *     rule ACTION NR COUNT [ARG OP A B]  COUNT comparisons, OP is an enum scmp_compare, A and B are hex
 *
 * NR is the number on that arch, without bit 30 for x32.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(int result, const char *what)
{
	if (result < 0) {
		fprintf(stderr, "%s: %s\n", what, strerror(-result));
		exit(1);
	}
}

static int native_number(uint32_t arch, int nr)
{
	char *name = seccomp_syscall_resolve_num_arch(arch, arch == SCMP_ARCH_X32 ? nr | 0x40000000 : nr);
	int native;

	if (name == NULL) {
		fprintf(stderr, "no name for number %d\n", nr);
		exit(1);
	}
	native = seccomp_syscall_resolve_name(name);
	free(name);
	return native;
}

static void add_rule(scmp_filter_ctx section, uint32_t arch)
{
	struct scmp_arg_cmp comparisons[6];
	uint32_t action;
	int nr;
	unsigned count;

	if (scanf("%x %d %u", &action, &nr, &count) != 3 || count > 6)
		exit(2);
	for (unsigned i = 0; i < count; i++) {
		unsigned op;
		unsigned long long a, b;

		if (scanf("%u %u %llx %llx", &comparisons[i].arg, &op, &a, &b) != 4)
			exit(2);
		comparisons[i].op = op;
		comparisons[i].datum_a = a;
		comparisons[i].datum_b = b;
	}
	check(seccomp_rule_add_array(section, action, native_number(arch, nr), count, comparisons), "rule");
}

int main(void)
{
	scmp_filter_ctx whole = NULL;
	scmp_filter_ctx section = NULL;
	uint32_t fallback = SCMP_ACT_KILL_PROCESS;
	uint32_t arch = 0;
	unsigned level = 1;
	char word[32];

	while (scanf("%31s", word) == 1) {
		if (strcmp(word, "optimize") == 0) {
			if (scanf("%u", &level) != 1)
				return 2;
		} else if (strcmp(word, "default") == 0) {
			if (scanf("%x", &fallback) != 1)
				return 2;
		} else if (strcmp(word, "rule") == 0) {
			add_rule(section, arch);
		} else if (strcmp(word, "arch") == 0) {
			char name[32];

			if (scanf("%31s", name) != 1)
				return 2;
			if (section != NULL && whole != NULL)
				check(seccomp_merge(whole, section), "merge");
			else if (section != NULL)
				whole = section;
			section = seccomp_init(fallback);
			arch = seccomp_arch_resolve_name(name);
			check(seccomp_attr_set(section, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), "badarch");
			check(seccomp_attr_set(section, SCMP_FLTATR_CTL_OPTIMIZE, level), "optimize");
			if (arch != seccomp_arch_native()) {
				check(seccomp_arch_add(section, arch), "arch add");
				check(seccomp_arch_remove(section, SCMP_ARCH_NATIVE), "arch remove");
			}
		}
	}
	if (whole == NULL)
		whole = section;
	else
		check(seccomp_merge(whole, section), "merge");
	check(seccomp_export_bpf(whole, 1), "export");
	return 0;
}
