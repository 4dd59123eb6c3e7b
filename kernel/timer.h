// A timer object: one deadline at a time, told through a poll.
#pragma once

#include "poll.h"
#include "timeout.h"

struct timer {
    struct object object;
    struct watch watch;
    struct timeout timeout;
    bool has_expired; // and nobody was told yet
};

void timer_destroy(struct object *object);
bool timer_collect(struct timer *timer, struct thread *thread);
bool timer_has_news(const struct timer *timer);
