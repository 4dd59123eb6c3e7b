// A CPU, as the portable kernel sees it. Everything is guarded by the kernel lock.
#pragma once

#include "arch.h"
#include "list.h"
#include "timeout.h"

enum { LEVEL_COUNT = 64 }; // run queue levels: see scheduler.c

struct cpu {
    struct arch_cpu arch; // first: its architecture finds it by this. arch.current is the running thread
    bool is_online;
    struct vmspace *space; // whose page tables are loaded; holds a reference. nullptr: the kernel's
    bool is_idle;
    struct thread *next;      // goes on when the current thread blocks; ready, but in no queue
    struct thread *next_seen; // it was `next` when share_at passed, and has been since
    nsec_t share_at;          // when to see whether another CPU has time for it; DEADLINE_NEVER: not planned; 0: the only CPU
    nsec_t slice_end;         // when the current thread has used up its slice
    uint64_t switches;        // threads that it was given to
    uint64_t alone_since;     // what `switches` was when a whole slice began; UINT64_MAX: it is the rest of one
    struct list ready[LEVEL_COUNT];
    uint64_t ready_levels; // bit set: that list is not empty
    uint32_t ready_count;
    struct timeout *timeouts;
    nsec_t armed;  // what its hardware timer is set to
    bool must_arm; // that may be too late
};

extern struct cpu cpus[CPU_MAX];
extern uint32_t cpu_count; // those online, of machine_info.cpu_count

static inline struct cpu *cpu_self(void) {
    return arch_cpu();
}
