// Timers: a list by deadline over one kernel timer, which is set only when an earlier deadline than its own appears.
//
// New deadlines are mostly the latest, so insertion looks from the end. A kernel timer that fires with nothing due is
// cheaper than one that is set again at every change.
#include "internal.h"

#include <stdckdint.h>

static struct timer *earliest, *latest;
static ktimer_t kernel_timer;
static nsec_t kernel_deadline = DEADLINE_NEVER;

nsec_t clock_ns(void) {
    uint64_t now = 0;
    (void) clock_now(&now); // has no errors
    return now;
}

static status_t set_kernel_timer(nsec_t deadline) {
    if (kernel_timer.handle == HANDLE_INVALID) {
        TRY(timer_create(&kernel_timer));
        TRY(poll_add(main_poll, kernel_timer.handle, source_key(SOURCE_TIMER, 0, 0)));
    }
    TRY(timer_set(kernel_timer, deadline));
    kernel_deadline = deadline;
    return OK;
}

static void update_kernel_timer(void) {
    if (earliest == nullptr || earliest->deadline >= kernel_deadline) {
        return;
    }
    status_t status = set_kernel_timer(earliest->deadline);
    if (status != OK) {
        // Without time nothing of what the component promised holds.
        log_error("no timer: %s", status_name(status));
        component_exit(1);
    }
}

static void insert(struct timer *timer) {
    struct timer *earlier = latest;
    while (earlier != nullptr && earlier->deadline > timer->deadline) {
        earlier = earlier->earlier;
    }
    timer->earlier = earlier;
    timer->later = earlier != nullptr ? earlier->later : earliest;
    *(earlier != nullptr ? &earlier->later : &earliest) = timer;
    *(timer->later != nullptr ? &timer->later->earlier : &latest) = timer;
    timer->is_running = true;
}

void timer_stop(struct timer *timer) {
    if (!timer->is_running) {
        return;
    }
    *(timer->earlier != nullptr ? &timer->earlier->later : &earliest) = timer->later;
    *(timer->later != nullptr ? &timer->later->earlier : &latest) = timer->earlier;
    timer->is_running = false;
}

void timer_start(struct timer *timer, nsec_t after_ns, void (*fire)(void *context), void *context) {
    timer_stop(timer);
    timer->fire = fire;
    timer->context = context;
    // At least 1 ns ahead: not within the round of callbacks that is running.
    if (ckd_add(&timer->deadline, clock_ns(), after_ns != 0 ? after_ns : 1)) {
        timer->deadline = DEADLINE_NEVER;
    }
    insert(timer);
    update_kernel_timer();
}

void timers_expire(void) {
    kernel_deadline = DEADLINE_NEVER;
    nsec_t now = clock_ns();
    while (earliest != nullptr && earliest->deadline <= now) {
        struct timer *timer = earliest;
        timer_stop(timer);
        timer->fire(timer->context);
    }
    update_kernel_timer();
}
