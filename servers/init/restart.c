// The restart policy: pure arithmetic over the times of the latest restarts.
#include "restart.h"

static uint32_t recent_count(const struct restart_history *history, nsec_t now) {
    uint32_t known = history->count < RESTARTS_MAX ? history->count : RESTARTS_MAX;
    uint32_t recent = 0;
    for (uint32_t i = 0; i < known; i++) {
        recent += now - history->times[i] < RESTART_WINDOW_NS;
    }
    return recent;
}

status_t restart_plan(struct restart_history *history, enum restart_policy policy, nsec_t now, nsec_t *out_delay_ns) {
    uint32_t recent = policy == RESTART_UNLIMITED ? 0 : recent_count(history, now);
    if (recent == RESTARTS_MAX) {
        return ERR_LIMIT;
    }
    nsec_t delay = RESTART_DELAY_FIRST_NS << recent;
    *out_delay_ns = delay < RESTART_DELAY_MAX_NS ? delay : RESTART_DELAY_MAX_NS;
    history->times[history->count++ % RESTARTS_MAX] = now;
    return OK;
}
