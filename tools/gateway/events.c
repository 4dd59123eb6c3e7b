// Watches descriptors with epoll. An event never reaches a source that another event of the same round closed.
#include "events.h"

#include <errno.h>
#include <unistd.h>

enum { ROUND_MAX = 128 };

static int epoll = -1;
static struct epoll_event round_events[ROUND_MAX];
static int round_next, round_count;

bool events_begin(void) {
    epoll = epoll_create1(EPOLL_CLOEXEC);
    return epoll >= 0;
}

void events_wait(int timeout_ms) {
    int count = epoll_wait(epoll, round_events, ROUND_MAX, timeout_ms);
    round_count = count > 0 ? count : 0;
    for (round_next = 0; round_next < round_count;) {
        struct epoll_event event = round_events[round_next++];
        struct source *source = event.data.ptr;
        if (source != nullptr) {
            source->on_event(source, event.events);
        }
    }
    round_count = round_next = 0;
}

bool source_open(struct source *source, int descriptor, uint32_t interest, void (*on_event)(struct source *, uint32_t)) {
    *source = (struct source) {.descriptor = descriptor, .interest = interest, .is_open = true, .on_event = on_event};
    struct epoll_event event = {.events = interest, .data.ptr = source};
    source->is_watched = epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0;
    return source->is_watched;
}

void source_want(struct source *source, uint32_t interest) {
    if (!source->is_watched || source->interest == interest) {
        return;
    }
    struct epoll_event event = {.events = interest, .data.ptr = source};
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, source->descriptor, &event) == 0) {
        source->interest = interest;
    }
}

void source_forget(struct source *source) {
    if (!source->is_watched) {
        return;
    }
    source->is_watched = false;
    (void) epoll_ctl(epoll, EPOLL_CTL_DEL, source->descriptor, nullptr);
    for (int i = round_next; i < round_count; i++) {
        if (round_events[i].data.ptr == source) {
            round_events[i].data.ptr = nullptr;
        }
    }
}

int source_release(struct source *source) {
    source_forget(source);
    source->is_open = false;
    return source->descriptor;
}

void source_close(struct source *source) {
    if (source->is_open) {
        close(source_release(source));
    }
}
