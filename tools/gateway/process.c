// Forks and executes the VM's command, sandboxed, with nothing of ours but its end of the link and of the console.
#include "process.h"

#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COMMAND_NOT_RUN = 127 }; // as shells say it

static char **command;
static uint64_t memory_bytes;

void process_begin(char **to_run, uint64_t memory) {
    command = to_run;
    memory_bytes = memory;
}

// Descriptors 0 to 3 are never among `link` and `console`: main.c holds them.
static bool set_descriptors(int link, int console) {
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(console, STDOUT_FILENO) >= 0 &&
           dup2(console, STDERR_FILENO) >= 0 && dup2(link, LINK_DESCRIPTOR) >= 0 &&
           close_range(LINK_DESCRIPTOR + 1, ~0u, 0) == 0;
}

static void reset_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    signal(SIGPIPE, SIG_DFL);
}

// The VM dies with us: the signal comes even when we are killed. Had we died before that was asked for, init is the parent.
static bool tie_to(pid_t parent) {
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && setsid() >= 0;
}

[[noreturn]] static void become_vm(pid_t parent, int link, int console) {
    if (tie_to(parent) && set_descriptors(link, console)) {
        reset_signals();
        if (sandbox_enter(memory_bytes)) {
            execvp(command[0], command);
        }
    }
    dprintf(STDERR_FILENO, "can't run '%s': %s\n", command[0], strerror(errno));
    _exit(COMMAND_NOT_RUN);
}

static void close_both(const int pair[2]) {
    close(pair[0]);
    close(pair[1]);
}

static bool open_ends(int link[2], int console[2]) {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link) != 0) {
        return false;
    }
    if (pipe2(console, O_CLOEXEC) != 0) {
        close_both(link);
        return false;
    }
    // The VM's ends stay blocking: a fresh process may expect that.
    (void) fcntl(link[0], F_SETFL, O_NONBLOCK);
    (void) fcntl(console[0], F_SETFL, O_NONBLOCK);
    return true;
}

// The child is not reaped before its handle is closed, so its number names it and nobody else.
static bool fork_vm(const int link[2], const int console[2], struct process *out_process) {
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        become_vm(parent, link[1], console[1]);
    }
    int handle = pid > 0 ? (int) syscall(SYS_pidfd_open, pid, 0) : -1;
    if (pid > 0 && handle < 0) {
        int error = errno;
        kill(pid, SIGKILL);
        waitpid(pid, nullptr, 0);
        errno = error;
    }
    *out_process = (struct process) {pid, handle, link[0], console[0]};
    return handle >= 0;
}

bool process_start(struct process *out_process) {
    int link[2], console[2];
    if (!open_ends(link, console)) {
        return false;
    }
    bool is_started = fork_vm(link, console, out_process);
    int error = errno;
    close(link[1]);
    close(console[1]);
    if (!is_started) {
        close(link[0]);
        close(console[0]);
    }
    errno = error;
    return is_started;
}

void process_kill(pid_t pid) {
    kill(-pid, SIGKILL); // none yet, if it has not got to its session
    kill(pid, SIGKILL);
}
