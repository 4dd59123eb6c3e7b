// A poll: the one thing that a component waits on. Objects that have something to tell queue up in it and take turns.
#pragma once

#include "list.h"
#include "object.h"

#include <starina/message.h>

struct thread;

// Part of every object that a poll can watch.
struct watch {
    struct poll *poll; // nullptr: not watched
    uint64_t key;
    bool is_paused; // a channel's messages wait
    struct object *source;
    struct list node;       // in the poll's list of all
    struct list ready_node; // in the poll's queue of those that have something
};

struct poll {
    struct object object;
    struct list watches;
    struct list ready;
    struct list waiters; // threads, by their wait_node
};

void watch_init(struct watch *watch, struct object *source);
void watch_end(struct watch *watch);         // its object goes away
void watch_end_moved(struct object *object); // its handle goes to somebody else, who alone hears of it from now on
void watch_signal(struct watch *watch);      // its object has something to tell

void poll_destroy(struct object *object);
