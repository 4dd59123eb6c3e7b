// Makes listening sockets, or finds those that systemd made. Trusts systemd's environment as far as it can be checked.
#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST_INHERITED = 3, INHERITED_MAX = 16, BACKLOG = 4096 };

static int inherited_count(void) {
    const char *process = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    if (process == nullptr || count == nullptr || strtol(process, nullptr, 10) != getpid()) {
        return 0;
    }
    long number = strtol(count, nullptr, 10);
    return number < 0 ? 0 : number > INHERITED_MAX ? INHERITED_MAX : (int) number;
}

int socket_inherited(const char *name) {
    const char *names = getenv("LISTEN_FDNAMES");
    int count = inherited_count();
    for (int i = 0; names != nullptr && i < count; i++) {
        size_t length = strcspn(names, ":");
        if (length == strlen(name) && strncmp(names, name, length) == 0) {
            return FIRST_INHERITED + i;
        }
        names = names[length] == ':' ? names + length + 1 : nullptr;
    }
    return SOCKET_ABSENT;
}

static int option_of(int descriptor, int option) {
    int value = -1;
    socklen_t size = sizeof(value);
    return getsockopt(descriptor, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

bool socket_is_usable(int descriptor) {
    return option_of(descriptor, SO_DOMAIN) == AF_INET && option_of(descriptor, SO_TYPE) == SOCK_STREAM &&
           option_of(descriptor, SO_ACCEPTCONN) == 1;
}

// Its number stays occupied: a VM's link gets one of those, and must find it free in the VM alone.
int socket_adopt(int descriptor) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int moved = fcntl(descriptor, F_DUPFD_CLOEXEC, FIRST_INHERITED + INHERITED_MAX);
    if (null < 0 || moved < 0 || dup3(null, descriptor, O_CLOEXEC) < 0 || fcntl(moved, F_SETFL, O_NONBLOCK) != 0) {
        return -1;
    }
    close(null);
    return moved;
}

int socket_listen(const struct sockaddr_in *address) {
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int yes = 1;
    if (descriptor < 0) {
        return -1;
    }
    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
        bind(descriptor, (const struct sockaddr *) address, sizeof(*address)) != 0 || listen(descriptor, BACKLOG) != 0) {
        int error = errno;
        close(descriptor);
        errno = error;
        return -1;
    }
    return descriptor;
}

void socket_forget_inheritance(void) {
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}
