// A poll: the one thing that a component waits on. Objects that have something to tell queue up in it and take turns.
#pragma once

#include "arch.h"
#include "list.h"
#include "object.h"

#include <starina/message.h>

struct thread;

// Part of every object that a poll can watch.
struct watch {
    struct poll *poll; // nullptr: not watched
    uint64_t key;
    struct poll *open_poll; // its poll; nullptr while paused: a channel's messages wait
    struct object *source;
    struct list node;       // in the poll's list of all
    struct list ready_node; // in the poll's queue of those that have something
};

struct poll {
    struct object object;
    struct list watches;
    struct list ready;
    struct thread *waiters; // linked by next_waiter, the latest first
    vaddr_t upcall;         // what may be called in place of a waiter's going on; 0: nothing
};

void watch_init(struct watch *watch, struct object *source);
void watch_end(struct watch *watch);         // its object goes away
void watch_end_moved(struct object *object); // its handle goes to somebody else, who alone hears of it from now on
void watch_signal(struct watch *watch);      // its object may have something to tell

void poll_add_waiter(struct poll *poll, struct thread *thread);
void poll_forget_waiter(struct thread *thread); // it waits no longer, if it did

// Finds a poll to wait on. ERR_BAD_HANDLE, ERR_WRONG_TYPE, ERR_DENIED
status_t poll_find(struct thread *thread, handle_t handle, struct poll **out_poll);

// Gives the next event to the thread, the running one, or lets it wait for one. STATUS_BLOCKED: it waits. ERR_TIMED_OUT
status_t poll_take(struct poll *poll, struct thread *thread, nsec_t deadline);

void poll_destroy(struct object *object);
