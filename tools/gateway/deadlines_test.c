// test-with: tools/gateway/deadlines.c
#include "deadlines.h"

#include <test/test.h>

enum { COUNT = 100 };

static struct deadline deadlines[COUNT];
static uint64_t last_ns;
static size_t due_count;
static bool is_in_order = true;

static void on_due(struct deadline *deadline) {
    is_in_order = is_in_order && deadline->at_ns >= last_ns;
    last_ns = deadline->at_ns;
    due_count++;
}

static void again(struct deadline *deadline) {
    due_count++;
    deadline_set(deadline, deadline->at_ns + 10, again);
}

static void set_all(void) {
    (void) deadlines_begin(COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        deadline_set(&deadlines[i], i * 37 % COUNT + 1, on_due);
    }
}

TEST("deadlines come in the order of their times") {
    set_all();
    deadlines_run(COUNT);
    EXPECT_EQ(due_count, COUNT);
    EXPECT(is_in_order);
}

TEST("none comes too early") {
    set_all();
    deadlines_run(COUNT / 2);
    EXPECT_EQ(due_count, COUNT / 2);
}

TEST("a cleared deadline does not come, wherever it was") {
    set_all();
    for (size_t i = 0; i < COUNT; i += 3) {
        deadline_clear(&deadlines[i]);
        deadline_clear(&deadlines[i]);
    }
    deadlines_run(COUNT);
    EXPECT_EQ(due_count, COUNT - (COUNT + 2) / 3);
    EXPECT(is_in_order);
}

TEST("a deadline that is set again comes once, at the later time") {
    set_all();
    deadline_set(&deadlines[0], 1000, on_due);
    deadlines_run(COUNT);
    EXPECT_EQ(due_count, COUNT - 1);
    deadlines_run(1000);
    EXPECT_EQ(due_count, COUNT);
}

TEST("a deadline may set itself again") {
    EXPECT(deadlines_begin(1));
    deadline_set(&deadlines[0], 10, again);
    deadlines_run(35);
    EXPECT_EQ(due_count, 3);
}

TEST("the timeout is rounded up, so that nobody asks in vain") {
    EXPECT(deadlines_begin(1));
    EXPECT_EQ(deadlines_timeout_ms(0), -1);
    deadline_set(&deadlines[0], NSEC_PER_MSEC + 1, on_due);
    EXPECT_EQ(deadlines_timeout_ms(0), 2);
    EXPECT_EQ(deadlines_timeout_ms(1), 1);
    EXPECT_EQ(deadlines_timeout_ms(NSEC_PER_SEC), 0);
}
