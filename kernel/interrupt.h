// An interrupt object: a line of the interrupt controllers or a message, told through a poll.
#pragma once

#include "poll.h"

struct interrupt {
    struct object object;
    struct watch watch;
    unsigned vector;
    uint32_t line; // LINE_NONE: message-signalled
    bool is_level; // masked from its arrival to the acknowledge
    bool is_enabled;
    uint64_t count; // since the last EVENT_INTERRUPT
};

void interrupt_destroy(struct object *object);
bool interrupt_collect(struct interrupt *interrupt, struct thread *thread);
bool interrupt_has_news(const struct interrupt *interrupt);

extern uint64_t interrupt_count, interrupt_timer_count; // since boot; the latter are among the former
