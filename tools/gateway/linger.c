// Waits for clients to close too. Trusts them for no longer than LINGER_NS.
#include "linger.h"

#include "clock.h"
#include "deadlines.h"
#include "events.h"

#include <errno.h>
#include <sys/socket.h>

enum : uint64_t { LINGER_NS = 2 * NSEC_PER_SEC };
enum { PART_MAX = 1 << 20, PARTS_MAX = 4 };

struct lingering {
    struct source client;
    struct deadline deadline;
};

static struct lingering all[LINGER_MAX];
static size_t count;

size_t linger_count(void) {
    return count;
}

static void end(struct lingering *lingering) {
    deadline_clear(&lingering->deadline);
    source_close(&lingering->client);
    count--;
}

static void on_due(struct deadline *deadline) {
    end(OWNER(deadline, struct lingering, deadline));
}

static void on_client(struct source *source, uint32_t events) {
    struct lingering *lingering = OWNER(source, struct lingering, client);
    for (int i = 0; i < PARTS_MAX; i++) {
        ssize_t dropped = recv(source->descriptor, nullptr, PART_MAX, MSG_TRUNC); // tcp(7): dropped without a copy
        if (dropped < 0 && (errno == EAGAIN || errno == EINTR) && (events & (EPOLLERR | EPOLLHUP)) == 0) {
            return;
        }
        if (dropped <= 0) {
            end(lingering);
            return;
        }
    }
}

// A free place, made by closing the oldest if need be.
static struct lingering *find_place(void) {
    struct lingering *oldest = &all[0];
    for (size_t i = 0; i < LINGER_MAX; i++) {
        if (!all[i].client.is_open) {
            return &all[i];
        }
        oldest = all[i].deadline.at_ns < oldest->deadline.at_ns ? &all[i] : oldest;
    }
    end(oldest);
    return oldest;
}

void linger_begin(int descriptor) {
    struct lingering *lingering = find_place();
    count++;
    (void) shutdown(descriptor, SHUT_WR);
    if (!source_open(&lingering->client, descriptor, EPOLLIN, on_client)) {
        end(lingering);
        return;
    }
    deadline_set(&lingering->deadline, clock_now() + LINGER_NS, on_due);
}
