/*
 * Written by callgate export.
 * Policy made from: /usr/sbin/sample --port 80
 * Phase: setup of setup, main
 *
 *     gcc -O2 -o lock-down lock-down.c -lseccomp && ./lock-down COMMAND
 *
 * or #define NO_MAIN and #include it, then call lock_down().
 */
#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct rule {
    const char *name;
    int number;
    uint32_t action;
    unsigned int count;
    struct scmp_arg_cmp args[6];
};

struct table {
    uint32_t arch;
    const struct rule *rules;
    size_t count;
};

#define DENIED SCMP_ACT_ERRNO(1)
#define OTHER_ARCH SCMP_ACT_KILL_PROCESS

static const struct rule rules_x86_64[] = {
    {"close", 3, SCMP_ACT_ALLOW, 0, {{0}}},
    {"execve", 59, SCMP_ACT_ALLOW, 0, {{0}}},
    {"exit_group", 231, SCMP_ACT_ALLOW, 0, {{0}}},
    {"openat", 257, SCMP_ACT_ALLOW, 0, {{0}}},
    {"read", 0, SCMP_ACT_ALLOW, 0, {{0}}},
    {"statx", 332, SCMP_ACT_ALLOW, 0, {{0}}},
    {"write", 1, SCMP_ACT_ALLOW, 0, {{0}}},
    {"ioctl", 16, SCMP_ACT_ALLOW, 1, {{1, SCMP_CMP_MASKED_EQ, 0xffffffffULL, 0x5401ULL}}},
    {"ioctl", 16, SCMP_ACT_ALLOW, 1, {{1, SCMP_CMP_MASKED_EQ, 0xffffffffULL, 0x5413ULL}}},
    {"socket", 41, SCMP_ACT_ALLOW, 2, {{0, SCMP_CMP_MASKED_EQ, 0xffffffffULL, 0x1ULL}, {1, SCMP_CMP_MASKED_EQ, 0xfff7f7ffULL, 0x1ULL}}},
    {"socket", 41, SCMP_ACT_ALLOW, 2, {{0, SCMP_CMP_MASKED_EQ, 0xffffffffULL, 0x2ULL}, {1, SCMP_CMP_MASKED_EQ, 0xfff7f7ffULL, 0x1ULL}}},
    {"prctl", 157, SCMP_ACT_ALLOW, 1, {{1, SCMP_CMP_EQ, 0x8000000000000001ULL, 0}}},
    {"madvise", 28, SCMP_ACT_ALLOW, 1, {{2, SCMP_CMP_MASKED_EQ, 0xfffffff0ULL, 0x0ULL}}},
    {"clone3", 435, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    {"openat2", 437, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    {"cachestat", 451, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    {"fchmodat2", 452, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    {"map_shadow_stack", 453, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    {"futex_wake", 454, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    {"futex_wait", 455, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    {"futex_requeue", 456, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    {"statmount", 457, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    {"listmount", 458, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    {"lsm_get_self_attr", 459, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    {"lsm_set_self_attr", 460, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    {"lsm_list_modules", 461, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    {"mseal", 462, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    {"setxattrat", 463, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    {"getxattrat", 464, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    {"listxattrat", 465, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    {"removexattrat", 466, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    {"open_tree_attr", 467, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    {"file_getattr", 468, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    {"file_setattr", 469, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    {"listns", 470, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    {"rseq_slice_yield", 471, SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
};

static const struct table tables[] = {
    {SCMP_ARCH_X86_64, rules_x86_64, sizeof(rules_x86_64) / sizeof(rules_x86_64[0])},
};

/* Adds the rules of one arch to a filter that holds this arch only. */
static int add_rules(scmp_filter_ctx filter, const struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct rule *rule = &table->rules[i];
        int number = rule->name == NULL ? __NR_SCMP_ERROR : seccomp_syscall_resolve_name(rule->name);
        if (number == __NR_SCMP_ERROR) {
            if (table->arch != seccomp_arch_native()) {
                /* A call that is to fail with ENOSYS is denied like any other. */
                if (rule->action == SCMP_ACT_ALLOW)
                    fprintf(stderr, "lock-down: %s (%d) is unknown here and stays denied\n",
                            rule->name == NULL ? "number" : rule->name, rule->number);
                continue;
            }
            number = rule->number;
        }
        int error = seccomp_rule_add_array(filter, rule->action, number, rule->count, rule->args);
        if (error != 0) return error;
    }
    return 0;
}

/* Locks this process and all its threads down; 0, or a negative errno and nothing is locked. */
static int lock_down(void)
{
    scmp_filter_ctx all = NULL;
    int error = 0;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && error == 0; i++) {
        scmp_filter_ctx filter = seccomp_init(DENIED);
        if (filter == NULL) {
            error = -ENOMEM;
            break;
        }
        if (tables[i].arch != seccomp_arch_native()) {
            error = seccomp_arch_add(filter, tables[i].arch);
            if (error == 0) error = seccomp_arch_remove(filter, seccomp_arch_native());
        }
        if (error == 0) error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, OTHER_ARCH);
        if (error == 0) error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
        if (error == 0) error = add_rules(filter, &tables[i]);
        if (error == 0 && all != NULL) error = seccomp_merge(all, filter);
        else if (error == 0) all = filter;
        if (error != 0) seccomp_release(filter);
    }
    if (error == 0) error = seccomp_load(all);
    if (all != NULL) seccomp_release(all);
    return error;
}

#ifndef NO_MAIN
int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s COMMAND [ARGUMENT...]\n", argv[0]);
        return 2;
    }
    int error = lock_down();
    if (error != 0) {
        fprintf(stderr, "lock-down: cannot load the filter: %s\n", strerror(-error));
        return 126;
    }
    execvp(argv[1], argv + 1);
    error = errno;
    fprintf(stderr, "lock-down: cannot run %s: %s\n", argv[1], strerror(error));
    return error == ENOENT ? 127 : 126;
}
#endif
