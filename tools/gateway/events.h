// Sources of events: file descriptors that are watched with epoll, level-triggered.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

// Lies in what it belongs to. EPOLLHUP and EPOLLERR come unasked, and again until the source is forgotten.
struct source {
    int descriptor; // meaningful while is_open
    uint32_t interest;
    bool is_open;
    bool is_watched;
    void (*on_event)(struct source *source, uint32_t events);
};

#define OWNER(member_pointer, type, member) ((type *) ((char *) (member_pointer) - offsetof(type, member)))

bool events_begin(void);
void events_wait(int timeout_ms); // and calls

// Owns the descriptor from here on. False: the system has no memory for it; the source is open all the same.
bool source_open(struct source *source, int descriptor, uint32_t interest, void (*on_event)(struct source *, uint32_t));
void source_want(struct source *source, uint32_t interest);
void source_forget(struct source *source); // it stays open, and no event comes any more
void source_close(struct source *source);
int source_release(struct source *source); // the descriptor, which is the caller's now
