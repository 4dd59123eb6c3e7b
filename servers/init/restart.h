// When a component that died is started again: soon at first, ever later, and not any more if it keeps dying. Only where the
// system file says "unlimited" it is soon each time, and without end: for what is killed on purpose.
#pragma once

#include <starina/system_file.h>

enum { RESTARTS_MAX = 10 }; // within the window
enum : nsec_t {
    RESTART_WINDOW_NS = 60 * NSEC_PER_SEC,
    RESTART_DELAY_FIRST_NS = 10 * NSEC_PER_MSEC, // doubles with each restart in the window
    RESTART_DELAY_MAX_NS = 5 * NSEC_PER_SEC,
};

struct restart_history {
    nsec_t times[RESTARTS_MAX]; // of the latest restarts, as a ring
    uint32_t count;             // of all restarts
};

// Notes a restart and tells how long to wait for it. ERR_LIMIT: too many lately, give up.
status_t restart_plan(struct restart_history *history, enum restart_policy policy, nsec_t now, nsec_t *out_delay_ns);
