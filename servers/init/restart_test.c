// The restart policy.
#include "restart.c"

#include <test/test.h>

TEST("restarts come at growing distances, and no more than ten within the window") {
    struct restart_history history = {};
    nsec_t now = 5 * NSEC_PER_SEC, delay = 0, total = 0;
    for (unsigned i = 0; i < RESTARTS_MAX; i++) {
        EXPECT_EQ(restart_plan(&history, RESTART_ALWAYS, now + total, &delay), OK);
        nsec_t expected = RESTART_DELAY_FIRST_NS << i;
        EXPECT_EQ(delay, expected < RESTART_DELAY_MAX_NS ? expected : RESTART_DELAY_MAX_NS);
        total += delay;
    }
    EXPECT(total < RESTART_WINDOW_NS);
    EXPECT_EQ(restart_plan(&history, RESTART_ALWAYS, now + total, &delay), ERR_LIMIT);
    EXPECT_EQ(history.count, RESTARTS_MAX);
}

TEST("restarts that are long ago count no more") {
    struct restart_history history = {};
    nsec_t delay = 0;
    for (nsec_t now = 0; now < 100 * RESTART_WINDOW_NS; now += RESTART_WINDOW_NS) {
        EXPECT_EQ(restart_plan(&history, RESTART_ALWAYS, now, &delay), OK);
        EXPECT_EQ(delay, RESTART_DELAY_FIRST_NS);
    }
    EXPECT_EQ(history.count, 100);
}

TEST("unlimited restarts come after the first delay each time") {
    struct restart_history history = {};
    nsec_t delay = 0;
    for (unsigned i = 0; i < 5 * RESTARTS_MAX; i++) {
        EXPECT_EQ(restart_plan(&history, RESTART_UNLIMITED, 5 * NSEC_PER_SEC + i, &delay), OK);
        EXPECT_EQ(delay, RESTART_DELAY_FIRST_NS);
    }
    EXPECT_EQ(history.count, 5 * RESTARTS_MAX);
}
