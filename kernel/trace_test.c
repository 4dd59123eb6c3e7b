// The trace buffer: each CPU keeps its newest events.
//
// test-with: kernel/trace.c
#include "trace.h"

#include <test/test.h>

#include <stdlib.h>
#include <string.h>

// What tools/sx/trace.py reads.
static_assert(sizeof(struct trace_event) == 32 && offsetof(struct trace_event, a) == 16);
static_assert(offsetof(struct trace_area, written) == 16 && offsetof(struct trace_area, names) == 80);

static struct arch_cpu cpu;
static nsec_t now;

struct cpu *arch_cpu(void) {
    return (struct cpu *) &cpu;
}

nsec_t arch_clock_now(void) {
    return ++now;
}

static struct trace_event *start(void) {
    memset(&trace_area, 0, sizeof(trace_area));
    struct trace_event *events = calloc(2, TRACE_CPU_BYTES);
    trace_start(events, 2);
    return events;
}

TEST("nothing is traced while it is off") {
    memset(&trace_area, 0, sizeof(trace_area));
    cpu.index = 0;
    trace(TRACE_SEND, 1, 2);
    EXPECT_EQ(trace_area.written[0], 0);
}

TEST("an event lands in its CPU's part with its time") {
    struct trace_event *events = start();
    cpu.index = 1;
    trace(TRACE_SWITCH, 7, 8);
    const struct trace_event *event = &events[trace_area.capacity];
    EXPECT_EQ(event->kind, TRACE_SWITCH);
    EXPECT_EQ(event->a, 7);
    EXPECT_EQ(event->b, 8);
    EXPECT_EQ(event->time_ns, now);
    EXPECT_EQ(trace_area.written[0], 0);
    EXPECT_EQ(trace_area.written[1], 1);
    free(events);
}

TEST("a full buffer loses its oldest event") {
    struct trace_event *events = start();
    cpu.index = 0;
    for (uint64_t i = 0; i <= trace_area.capacity; i++) {
        trace(TRACE_SEND, i, 0);
    }
    EXPECT_EQ(events[0].a, trace_area.capacity);
    EXPECT_EQ(events[1].a, 1);
    EXPECT_EQ(events[trace_area.capacity].kind, 0);
    free(events);
}

TEST("a CPU without a part traces nothing") {
    struct trace_event *events = start();
    cpu.index = 2;
    trace(TRACE_SEND, 1, 1);
    EXPECT_EQ(trace_area.written[2], 0);
    free(events);
}

TEST("a process's name is kept, cut to its slot, over the one before it") {
    start();
    trace_process(3, "a_name_that_is_much_longer_than_the_slot_for_it");
    EXPECT_EQ(strlen(trace_area.names[3]), TRACE_NAME_SIZE - 1);
    trace_process(3 + TRACE_NAMES_MAX, "short");
    EXPECT_EQ(strcmp(trace_area.names[3], "short"), 0);
    free((void *) trace_area.events);
}
