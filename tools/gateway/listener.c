// Accepts connections, a few at a time, and pauses when the system has no descriptor for one.
#include "listener.h"

#include "clock.h"
#include "log.h"
#include "metrics.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

enum { ACCEPTS_MAX = 8, REST_MAX = 4096 }; // of the former, each may start a VM
enum : uint64_t { PAUSE_NS = 100 * NSEC_PER_MSEC };

static void on_pause_over(struct deadline *deadline) {
    source_want(&OWNER(deadline, struct listener, pause)->source, EPOLLIN);
}

// Without the pause, the waiting connection would be reported again and again.
static void pause_accepting(struct listener *listener) {
    metrics.accept_pauses++;
    log_event("accept_paused", "reason", strerror(errno));
    source_want(&listener->source, 0);
    deadline_set(&listener->pause, clock_now() + PAUSE_NS, on_pause_over);
}

static bool is_out_of_resources(void) {
    return errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
}

// False: there is none, or none can be taken.
static bool accept_one(struct listener *listener) {
    struct sockaddr_in address = {};
    socklen_t size = sizeof(address);
    int yes = 1;
    int descriptor = accept4(listener->source.descriptor, (struct sockaddr *) &address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) {
        if (is_out_of_resources()) {
            pause_accepting(listener);
        }
        return errno == ECONNABORTED || errno == EINTR;
    }
    (void) setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    listener->on_connection(descriptor, &address);
    return true;
}

static void on_event(struct source *source, uint32_t events) {
    (void) events;
    struct listener *listener = OWNER(source, struct listener, source);
    for (int i = 0; i < ACCEPTS_MAX && accept_one(listener); i++) {
    }
}

bool listener_begin(struct listener *listener, int descriptor, void (*on_connection)(int, const struct sockaddr_in *)) {
    listener->on_connection = on_connection;
    return source_open(&listener->source, descriptor, EPOLLIN, on_event);
}

void listener_accept_rest(struct listener *listener) {
    for (int i = 0; i < REST_MAX && accept_one(listener); i++) {
    }
}

void listener_end(struct listener *listener) {
    deadline_clear(&listener->pause);
    source_close(&listener->source);
}
