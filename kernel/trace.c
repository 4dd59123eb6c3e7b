// Writes the trace buffer. Its values are never read back by the kernel.
#include "trace.h"

struct trace_area trace_area;

void trace_start(void *memory, uint32_t cpus) {
    trace_area.cpu_count = cpus;
    trace_area.capacity = TRACE_CPU_BYTES / sizeof(struct trace_event);
    trace_area.events = (uint64_t) memory;
}

void trace_process(uint32_t process_id, const char *name) {
    char *slot = trace_area.names[process_id % TRACE_NAMES_MAX];
    for (size_t i = 0; i < TRACE_NAME_SIZE - 1; i++) {
        slot[i] = *name;
        name += *name != '\0';
    }
}

void trace_record(enum trace_kind kind, uint64_t a, uint64_t b) {
    uint32_t cpu = ((const struct arch_cpu *) arch_cpu())->index; // a struct cpu begins with it
    if (cpu >= trace_area.cpu_count) {
        return;
    }
    struct trace_event *events = (struct trace_event *) trace_area.events + (size_t) cpu * trace_area.capacity;
    events[trace_area.written[cpu]++ % trace_area.capacity] = (struct trace_event) {
        .time_ns = arch_clock_now(),
        .kind = kind,
        .a = a,
        .b = b,
    };
}
