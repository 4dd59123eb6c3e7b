// Ends just when its other threads are to run.
#include "chaos.h"

enum { STACK_SIZE = 16 * 1024 };
enum : nsec_t { UNTIL_IT_WAITS_NS = 5 * NSEC_PER_MSEC };

static poll_t poll;

[[noreturn]] static void wait_and_complain(uint64_t, struct thread_buffer *) {
    (void) poll_wait(poll, DEADLINE_NEVER);
    log_error("a thread goes on after the end of its component");
    thread_exit();
}

[[noreturn]] static void complain(uint64_t, struct thread_buffer *) {
    log_error("a thread begins after the end of its component");
    thread_exit();
}

static status_t wake_one(void) {
    uint64_t ends;
    thread_t thread;
    poll_t nothing;
    TRY(channel_create(4096, &ends));
    channel_t near = {(handle_t) ends}, far = {(handle_t) (ends >> 32)};
    TRY(poll_create(&poll));
    TRY(poll_create(&nothing));
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

int act_vanish(void) {
    uint64_t chance = 0;
    status_t status = random_u64(&chance);
    if (status == OK) {
        status = chance % 2 == 0 ? wake_one() : begin_one();
    }
    return status == OK ? 1 : 2;
}
