// Deadlines: per CPU, the earliest first. A CPU arms its hardware timer for its own earliest.
#pragma once

#include "arch.h"

// Embedded in whoever waits. A leftist heap: logarithmic, no memory of its own.
struct timeout {
    nsec_t deadline;
    void (*expired)(struct timeout *timeout); // runs in the kernel, when removed from the heap
    struct timeout *left, *right, *parent;
    struct timeout **heap; // the root it is under; nullptr: not waiting
    uint32_t rank;
};

void timeout_start(struct timeout *timeout, nsec_t deadline, void (*expired)(struct timeout *)); // DEADLINE_NEVER: does nothing
void timeout_stop(struct timeout *timeout);

void timeout_run_expired(struct timeout **heap, nsec_t now);
nsec_t timeout_next(struct timeout *const *heap); // DEADLINE_NEVER: none
