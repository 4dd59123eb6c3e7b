// The gateway: gives every visitor a freshly booted virtual machine. Trusts its command line; no visitor, and no VM.
#include "bounds.h"
#include "clock.h"
#include "linger.h"
#include "listener.h"
#include "log.h"
#include "metrics_server.h"
#include "pool.h"
#include "process.h"
#include "sockets.h"
#include "visit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, OTHER_DESCRIPTORS = 32, DESCRIPTORS_PER_VM = 3, OTHER_DEADLINES = 8 };

static struct options options;
static struct listener visitors, askers;
static struct source signals;
static struct deadline drain;
static bool is_draining, is_inherited;

[[noreturn]] static void refuse(const char *complaint) {
    fprintf(stderr, "gateway: %s\n", complaint);
    exit(EXIT_USAGE);
}

// --- Set-up ---

// 0 to 3 are what a VM gets: none of ours may be among them when that happens.
static void occupy_descriptors(void) {
    int descriptor;
    do {
        descriptor = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (descriptor >= 0 && descriptor < LINK_DESCRIPTOR);
}

static void allow_descriptors(void) {
    char complaint[COMPLAINT_MAX];
    size_t possible = 0;
    size_t needed =
        options.vms * (DESCRIPTORS_PER_VM + 1) + options.queue + LINGER_MAX + METRICS_CLIENTS_MAX + OTHER_DESCRIPTORS;
    if (!descriptors_allow(needed, &possible)) {
        snprintf(complaint, sizeof(complaint),
                 "%zu open files are needed and %zu allowed: raise the hard limit (ulimit -Hn), or lower --vms and --queue",
                 needed, possible);
        refuse(complaint);
    }
}

static int open_socket(const char *name, const char *option, const struct sockaddr_in *address) {
    char complaint[COMPLAINT_MAX];
    int descriptor = socket_inherited(name);
    if (descriptor != SOCKET_ABSENT && (address->sin_family != 0 || !socket_is_usable(descriptor))) {
        snprintf(complaint, sizeof(complaint), "the inherited socket '%s' must be a listening IPv4 TCP one, without %s", name,
                 option);
        refuse(complaint);
    }
    if (descriptor != SOCKET_ABSENT) {
        return socket_adopt(descriptor);
    }
    if (address->sin_family != 0) {
        descriptor = socket_listen(address);
        if (descriptor < 0) {
            snprintf(complaint, sizeof(complaint), "can't listen at port %u (%s): choose another with %s",
                     ntohs(address->sin_port), strerror(errno), option);
            refuse(complaint);
        }
    }
    return descriptor;
}

static void open_log(void) {
    char complaint[COMPLAINT_MAX];
    if (!log_open(options.log_path)) {
        snprintf(complaint, sizeof(complaint), "--log %.100s: %s; name a file that can be appended to", options.log_path,
                 strerror(errno));
        refuse(complaint);
    }
}

static void allocate(void) {
    size_t deadlines = options.vms * 2 + options.queue + LINGER_MAX + METRICS_CLIENTS_MAX + OTHER_DEADLINES;
    vms_begin(&visits_vm_owner, options.boot_timeout_ms * NSEC_PER_MSEC);
    process_begin(options.command, options.vm_memory_mib << 20);
    if (!events_begin() || !deadlines_begin(deadlines) || !visits_begin(&options) || !pool_begin(options.vms, options.warm)) {
        refuse("not enough memory for --vms and --queue: lower them");
    }
}

// --- The end ---

static void on_drain_over(struct deadline *deadline) {
    (void) deadline;
    visits_end_all();
}

static void begin_draining(void) {
    log_event("drain", nullptr, nullptr);
    is_draining = true;
    visits_refuse_more();
    if (!is_inherited) { // else those who are not accepted yet are for the gateway that comes next
        listener_accept_rest(&visitors);
    }
    listener_end(&visitors);
    pool_drain();
    deadline_set(&drain, clock_now() + options.drain_timeout_ms * NSEC_PER_MSEC, on_drain_over);
}

// The VMs die with this process.
[[noreturn]] static void end_at_once(void) {
    log_event("stop", "reason", "second signal");
    exit(EXIT_FAILURE);
}

static void on_signal(struct source *source, uint32_t events) {
    (void) events;
    struct signalfd_siginfo info;
    if (read(source->descriptor, &info, sizeof(info)) != sizeof(info)) {
        return;
    }
    if (is_draining) {
        end_at_once();
    }
    begin_draining();
}

static void watch_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    int descriptor = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (descriptor < 0 || !source_open(&signals, descriptor, EPOLLIN, on_signal)) {
        refuse("the system gives no descriptor for signals");
    }
}

static bool is_over(void) {
    return is_draining && visits_count() == 0 && linger_count() == 0 && metrics.vms == 0;
}

// --- The beginning ---

static void listen_everywhere(void) {
    int http = open_socket("http", "--listen", &options.listen);
    int metrics_socket = open_socket("metrics", "--metrics", &options.metrics);
    is_inherited = socket_inherited("http") != SOCKET_ABSENT;
    socket_forget_inheritance();
    if (http == SOCKET_ABSENT) {
        refuse("nowhere to listen: give --listen ADDRESS:PORT, or a systemd socket named 'http'");
    }
    bool is_listening = listener_begin(&visitors, http, visit_begin);
    if (metrics_socket != SOCKET_ABSENT) {
        is_listening = listener_begin(&askers, metrics_socket, metrics_server_take) && is_listening;
    }
    if (!is_listening) {
        refuse("the system can't watch the listening sockets");
    }
}

static void run(void) {
    while (!is_over()) {
        pool_refill();
        events_wait(deadlines_timeout_ms(clock_now()));
        deadlines_run(clock_now());
    }
}

int main(int argument_count, char **arguments) {
    char complaint[COMPLAINT_MAX];
    if (!options_parse(arguments + (argument_count > 0), &options, complaint)) {
        refuse(complaint);
    }
    if (options.shows_help) {
        options_print_help();
        return EXIT_SUCCESS;
    }
    occupy_descriptors();
    allow_descriptors();
    open_log();
    allocate();
    watch_signals();
    listen_everywhere();
    log_event("start", nullptr, nullptr);
    run();
    metrics_server_end();
    log_event("stop", nullptr, nullptr);
    return EXIT_SUCCESS;
}
