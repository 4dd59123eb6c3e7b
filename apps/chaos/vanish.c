// Ends just when its other threads are to run.
#include "chaos.h"

enum { STACK_SIZE = 16 * 1024 };
// The end is due at once, but another CPU may be quicker than one whose host has other things to do.
enum : nsec_t { UNTIL_IT_WAITS_NS = 5 * NSEC_PER_MSEC, UNTIL_THE_END_NS = NSEC_PER_SEC };

static poll_t poll, nothing;

[[noreturn]] static void complain(uint64_t, struct thread_buffer *) {
    status_t status = poll_wait(nothing, clock_ns() + UNTIL_THE_END_NS);
    log_error("a thread runs after the end of its component: %s", status_name(status));
    thread_exit();
}

[[noreturn]] static void wait_and_complain(uint64_t, struct thread_buffer *buffer) {
    (void) poll_wait(poll, DEADLINE_NEVER);
    complain(0, buffer);
}

static status_t wake_one(void) {
    uint64_t ends;
    thread_t thread;
    TRY(channel_create(4096, &ends));
    channel_t near = {(handle_t) ends}, far = {(handle_t) (ends >> 32)};
    TRY(poll_create(&poll));
    TRY(poll_add(poll, far.handle, 0));
    TRY(thread_create((uint64_t) wait_and_complain, STACK_SIZE, 0, &thread));
    status_t status = poll_wait(nothing, clock_ns() + UNTIL_IT_WAITS_NS);
    wire_write(message_out(), MESSAGE_SEND);
    return status == ERR_TIMED_OUT ? channel_send(near) : status;
}

static status_t begin_one(void) {
    thread_t thread;
    return thread_create((uint64_t) complain, STACK_SIZE, 0, &thread);
}

static status_t leave_one_behind(void) {
    uint64_t chance;
    TRY(random_u64(&chance));
    TRY(poll_create(&nothing));
    return chance % 2 == 0 ? wake_one() : begin_one();
}

int act_vanish(void) {
    return leave_one_behind() == OK ? 1 : 2;
}
