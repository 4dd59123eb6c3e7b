// Clock, timers, threads, floating point.
#include "conformance.h"

TEST("the clock does not go back") {
    nsec_t last = clock_ns();
    for (size_t i = 0; i < 1000; i++) {
        nsec_t now = clock_ns();
        EXPECT(now >= last);
        last = now;
    }
}

TEST("a timer fires once, not early, and a stopped one not at all") {
    poll_t poll;
    ktimer_t timer;
    EXPECT_EQ(poll_create(&poll), OK);
    EXPECT_EQ(timer_create(&timer), OK);
    EXPECT_EQ(poll_add(poll, timer.handle, 3), OK);
    nsec_t deadline = clock_ns() + 2 * NSEC_PER_MSEC;
    EXPECT_EQ(timer_set(timer, deadline), OK);
    EXPECT_EQ(wait_for(poll, EVENT_TIMER, 3), OK);
    EXPECT(clock_ns() >= deadline);
    EXPECT_EQ(poll_wait(poll, 0), ERR_TIMED_OUT);
    EXPECT_EQ(timer_set(timer, clock_ns() + NSEC_PER_MSEC), OK);
    EXPECT_EQ(timer_set(timer, DEADLINE_NEVER), OK);
    EXPECT_EQ(poll_wait(poll, clock_ns() + 3 * NSEC_PER_MSEC), ERR_TIMED_OUT);
    EXPECT_EQ(handle_close(timer.handle), OK);
    EXPECT_EQ(handle_close(poll.handle), OK);
}

TEST("random numbers differ") {
    uint64_t first, second;
    EXPECT_EQ(random_u64(&first), OK);
    EXPECT_EQ(random_u64(&second), OK);
    EXPECT(first != second);
}

// --- Threads ---

static _Atomic uint64_t turns;
static channel_t to_main;

// Another thread has a buffer of its own.
[[noreturn]] static void count_turns(uint64_t argument, struct thread_buffer *buffer) {
    volatile double sum = 0;
    for (uint64_t i = 0; i < argument; i++) {
        sum += 0.5;
        turns++;
    }
    wire_write(&buffer->out, KIND_SEND);
    buffer->out.header.length = sizeof(uint64_t);
    uint64_t result = (uint64_t) sum;
    __builtin_memcpy(buffer->out.data, &result, sizeof(result));
    (void) channel_send(to_main);
    thread_exit();
}

TEST("threads run beside each other with floating point registers of their own") {
    enum : uint64_t { TURNS = 2000000 };
    struct pair pair;
    poll_t poll;
    thread_t thread;
    EXPECT_EQ(channel_pair(&pair), OK);
    EXPECT_EQ(poll_create(&poll), OK);
    EXPECT_EQ(poll_add(poll, pair.b.handle, 1), OK);
    to_main = pair.a;
    EXPECT_EQ(thread_create((uint64_t) count_turns, 4 * PAGE_SIZE, TURNS, &thread), OK);
    volatile double sum = 0;
    for (uint64_t i = 0; i < TURNS; i++) {
        sum += 0.25;
    }
    EXPECT_EQ(poll_wait(poll, clock_ns() + 10 * NSEC_PER_SEC), OK);
    uint64_t theirs;
    __builtin_memcpy(&theirs, thread_buffer->in.data, sizeof(theirs));
    EXPECT_EQ(theirs, TURNS / 2);
    EXPECT_EQ((uint64_t) sum, TURNS / 4);
    EXPECT_EQ(turns, TURNS);
    EXPECT_EQ(handle_close(thread.handle), OK);
    pair_close(&pair);
    EXPECT_EQ(handle_close(poll.handle), OK);
}

TEST("a process's counters go up and name its limits") {
    struct process_info before, after;
    EXPECT_EQ(process_info((process_t) {HANDLE_INVALID}, &before), OK);
    EXPECT_EQ(process_info((process_t) {HANDLE_INVALID}, &after), OK);
    EXPECT(after.system_calls > before.system_calls);
    EXPECT(after.memory_used <= after.memory_limit && after.memory_used > 0);
    EXPECT(after.cpu_ns >= before.cpu_ns);
    EXPECT_EQ(after.exit_reason, EXIT_RUNNING);
}
