// Deadlines, against a list of them.
//
// test-with: kernel/timeout.c
#include "timeout.h"

#include "cpu.h"

#include <test/kernel/machine.h>
#include <test/test.h>

enum { COUNT = 200, ROUNDS = 20000 };

static struct cpu cpu;
static struct timeout timeouts[COUNT];
static unsigned expired_count;
static nsec_t last_expired;
static bool is_out_of_order;

struct cpu *arch_cpu(void) {
    return &cpu;
}

static void expired(struct timeout *timeout) {
    expired_count++;
    is_out_of_order |= timeout->deadline < last_expired;
    last_expired = timeout->deadline;
}

static unsigned waiting(void) {
    unsigned count = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        count += timeouts[i].heap != nullptr;
    }
    return count;
}

static nsec_t earliest(void) {
    nsec_t result = DEADLINE_NEVER;
    for (unsigned i = 0; i < COUNT; i++) {
        if (timeouts[i].heap != nullptr && timeouts[i].deadline < result) {
            result = timeouts[i].deadline;
        }
    }
    return result;
}

TEST("none wait at first, and one without a deadline never does") {
    EXPECT_EQ(timeout_next(&cpu.timeouts), DEADLINE_NEVER);
    timeout_start(&timeouts[0], DEADLINE_NEVER, expired);
    EXPECT_EQ(timeout_next(&cpu.timeouts), DEADLINE_NEVER);
    timeout_stop(&timeouts[0]);
    timeout_run_expired(&cpu.timeouts, DEADLINE_NEVER);
    EXPECT_EQ(expired_count, 0);
}

TEST("those that are due expire, the earliest first, and no other") {
    for (unsigned i = 0; i < COUNT; i++) {
        timeout_start(&timeouts[i], (i * 37) % COUNT, expired);
    }
    timeout_run_expired(&cpu.timeouts, 99);
    EXPECT_EQ(expired_count, 100);
    EXPECT(!is_out_of_order);
    EXPECT_EQ(timeout_next(&cpu.timeouts), 100);
    EXPECT_EQ(waiting(), 100);
}

static void restart(struct timeout *timeout) {
    expired_count++;
    timeout_start(timeout, timeout->deadline + 10, restart);
}

TEST("one may start itself again when it expires") {
    timeout_start(&timeouts[0], 10, restart);
    timeout_run_expired(&cpu.timeouts, 45);
    EXPECT_EQ(expired_count, 4);
    EXPECT_EQ(timeout_next(&cpu.timeouts), 50);
}

TEST("started, stopped and expired at random, the earliest is always known") {
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct timeout *timeout = &timeouts[random_below(COUNT)];
        if (timeout->heap != nullptr) {
            timeout_stop(timeout);
            timeout_stop(timeout); // harmless
        } else {
            timeout_start(timeout, 1 + random_below(1000), expired);
        }
        EXPECT_EQ(timeout_next(&cpu.timeouts), earliest());
        if (random_below(100) == 0) {
            last_expired = 0;
            unsigned before = waiting();
            expired_count = 0;
            timeout_run_expired(&cpu.timeouts, random_below(300));
            EXPECT_EQ(waiting(), before - expired_count);
            EXPECT(!is_out_of_order);
        }
    }
}

TEST("in descending order, which is the heap's worst, it stays as quick") {
    enum { MANY = 100000 };
    static struct timeout many[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        timeout_start(&many[i], MANY - i, expired);
    }
    timeout_run_expired(&cpu.timeouts, MANY);
    EXPECT_EQ(expired_count, MANY);
    EXPECT(!is_out_of_order);
}
