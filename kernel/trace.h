// The trace buffer: what each CPU did, newest events last. `sx run --trace` turns it into a Chrome trace.
//
// Off, an event costs one test. On, it costs a few stores without any lock: a CPU writes only its own part.
#pragma once

#include "arch.h"

enum trace_kind : uint32_t {
    TRACE_SWITCH = 1,      // the CPU runs from now on a thread: its id, its process's id; 0, 0: it idles
    TRACE_SEND = 2,        // message kind, transaction; of the running thread, as all that follow
    TRACE_CALL = 3,        // message kind, transaction
    TRACE_RECEIVE = 4,     // message kind, transaction
    TRACE_SYSTEM_CALL = 5, // number
    TRACE_INTERRUPT = 6,   // vector, of a device
    TRACE_FAULT = 7,       // vector, address
    TRACE_COMPONENT = 8,   // trace_write: event, value
    TRACE_TIMER = 9,       // the CPU's timer interrupt
    TRACE_RESCHEDULE = 10, // another CPU's interrupt: there is something to run
};

enum {
    TRACE_NAMES_MAX = 128,
    TRACE_NAME_SIZE = 32,
    TRACE_CPU_BYTES = 512 * 1024, // of events per CPU; a power of two
};

struct trace_event {
    nsec_t time_ns;
    enum trace_kind kind;
    uint32_t reserved;
    uint64_t a, b;
};

// Found by sx in the dead machine's memory through its symbol, `trace_area`; tools/sx/trace.py knows its layout.
struct trace_area {
    uint64_t events; // direct-map address of the first CPU's events, the next CPU's follow; 0: off
    uint32_t cpu_count;
    uint32_t capacity;                            // events per CPU, a power of two
    uint64_t written[CPU_MAX];                    // events so far; the newest `capacity` of them are there
    char names[TRACE_NAMES_MAX][TRACE_NAME_SIZE]; // of process `id` in slot id % TRACE_NAMES_MAX
};
extern struct trace_area trace_area;

// Begins tracing into `cpus` times TRACE_CPU_BYTES bytes of contiguous memory.
void trace_start(void *memory, uint32_t cpus);

void trace_process(uint32_t process_id, const char *name); // a process exists from now on; also while tracing is off
[[gnu::noinline]] void trace_record(enum trace_kind kind, uint64_t a, uint64_t b);

static inline void trace(enum trace_kind kind, uint64_t a, uint64_t b) {
    if (trace_area.events != 0) {
        trace_record(kind, a, b);
    }
}
