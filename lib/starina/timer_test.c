// Timers.
#include <test/host/probe_component.h>
#include <test/test.h>

static char fired[16];
static size_t fired_count;

static void fire(void *context) {
    fired[fired_count++] = *(const char *) context;
}

TEST("timers fire in the order of their deadlines, once, unless stopped") {
    set_up_with_client();
    static struct timer a, b, c;
    timer_start(&c, 30, fire, "c");
    timer_start(&a, 10, fire, "a");
    timer_start(&b, 20, fire, "b");
    fake_advance(9);
    EXPECT_EQ(fired_count, 0);
    fake_advance(1);
    EXPECT_EQ(fired_count, 1);
    timer_stop(&b);
    timer_stop(&b);
    fake_advance(100);
    EXPECT(bytes_equal((bytes_t) {(uint8_t *) fired, fired_count}, BYTES("ac")));
}

TEST("moving a timer to later costs no system call") {
    set_up_with_client();
    static struct timer idle[3];
    for (size_t i = 0; i < 3; i++) {
        timer_start(&idle[i], 1000 + i, fire, "x");
    }
    size_t sets = fake_timer_sets();
    for (size_t i = 0; i < 30; i++) {
        timer_start(&idle[i % 3], 2000 + i, fire, "x");
    }
    EXPECT_EQ(fake_timer_sets(), sets);
    fake_advance(1500);
    EXPECT_EQ(fired_count, 0);
    fake_advance(1000);
    EXPECT_EQ(fired_count, 3);
}

static void fire_again(void *context) {
    fired_count++;
    timer_start(context, 0, fire_again, context);
}

TEST("a timer that its callback starts again lets other events in between") {
    set_up_with_client();
    static struct timer again;
    timer_start(&again, 0, fire_again, &again);
    fake_advance(1);
    EXPECT_EQ(fired_count, 1);
    fake_advance(1);
    EXPECT_EQ(fired_count, 2);
}
