/* Makes the calls that it is told to, and prints each with its errno: "mkdir 1". */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static long attempt(const char *name)
{
    if (strcmp(name, "mkdir") == 0) return syscall(SYS_mkdir, "/proc/none", 0700);
    if (strcmp(name, "uname") == 0) return syscall(SYS_uname, NULL);
    if (strcmp(name, "getppid") == 0) return syscall(SYS_getppid);
    if (strcmp(name, "clone3") == 0) return syscall(435, NULL, 0);
    if (strcmp(name, "socket-unix") == 0) return syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
    /* The upper half of an int is whatever was left in the register. */
    if (strcmp(name, "socket-unix-dirty") == 0) return syscall(SYS_socket, 0xdead00000001L, SOCK_STREAM, 0);
    if (strcmp(name, "socket-inet") == 0) return syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
    if (strcmp(name, "newer") == 0) return syscall(2000);
    return -2;
}

int main(int argc, char **argv)
{
    char line[256];
    for (int i = 1; i < argc; i++) {
        errno = 0;
        long result = attempt(argv[i]);
        int length = snprintf(line, sizeof(line), "%s %d\n", argv[i], result == -1 ? errno : 0);
        if (write(1, line, (size_t)length) != length) return 1;
    }
    return 0;
}
