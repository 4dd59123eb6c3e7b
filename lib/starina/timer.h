// Timers of a component: callbacks on the main loop.
#pragma once

#include <starina/types.h>

// Owned by the component, which leaves it alone and in place while it runs. Zeroed: not running.
struct timer {
    struct timer *earlier, *later;
    nsec_t deadline;
    void (*fire)(void *context);
    void *context;
    bool is_running;
};

// Fires once, `after_ns` from now. Starting a running timer moves it.
void timer_start(struct timer *timer, nsec_t after_ns, void (*fire)(void *context), void *context);
void timer_stop(struct timer *timer); // harmless when it does not run
nsec_t clock_ns(void);                // monotonic, since boot
