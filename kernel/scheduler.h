// Who runs: blocking, waking, and the way out of the kernel.
#pragma once

#include "cpu.h"
#include "thread.h"

extern uint32_t scheduler_idle_cpus;

void scheduler_init_cpu(struct cpu *cpu);
uint8_t scheduler_level(uint8_t priority); // of a thread that begins

// The running thread waits for what was noted in it, until a deadline, when its system call ends with ERR_TIMED_OUT.
void thread_block(struct thread *thread, nsec_t deadline);

// A thread waits no longer; its system call ends with this status. Follow with one of the next two.
void thread_end_wait(struct thread *thread, status_t status);

void scheduler_make_ready(struct thread *thread);
void scheduler_make_ready_interrupted(struct thread *thread); // one that waited in a fault, and is to make it once more

// The running thread has just blocked: this one goes on in its place, with the rest of its time slice, unless something
// more important is ready.
void scheduler_hand_over(struct thread *thread);

void scheduler_remove(struct thread *thread); // a ready one, from where it waits

// The fast ways of all that, for threads that are in no run queue and wait for nothing (any more).

// Is it no more important than the running one? Then it waits for that one to block.
static inline bool scheduler_may_queue(const struct thread *thread) {
    return thread->level <= cpu_self()->arch.current->level;
}
void scheduler_queue_behind(struct thread *thread);

// The first that is as important as the running one waits in cpu->next and is the first to go on, with the rest of that
// one's time slice. Others wait in the run queue. With several CPUs, share_at is due: others may have time for it.
static inline void scheduler_queue(struct thread *thread) {
    struct cpu *cpu = cpu_self();
    bool is_first = cpu->next == nullptr && thread->level == cpu->arch.current->level;
    if (is_first && cpu->slice_end >= cpu->armed && cpu->share_at != DEADLINE_NEVER) {
        thread->state = THREAD_READY;
        thread->cpu = cpu;
        cpu->next = thread;
    } else {
        scheduler_queue_behind(thread);
    }
}

// The running one blocks until a deadline and the other one goes on, where none of those that wait for this CPU is more
// important. Not while tracing.
static inline bool scheduler_may_switch_to(const struct thread *to) {
    const struct cpu *cpu = cpu_self();
    bool is_above_queue = cpu->ready_levels == 0 || 63 - __builtin_clzll(cpu->ready_levels) <= to->level;
    return is_above_queue && (cpu->next == nullptr || cpu->next->level <= to->level);
}
[[noreturn]] void scheduler_switch(struct thread *from, struct thread *to, nsec_t deadline);
[[noreturn]] void scheduler_switch_ok(struct thread *from, struct thread *to, nsec_t deadline); // its call ends with OK

// The one that is to go on when the running one blocks; nullptr: none, or it was interrupted, so that there is more to be
// done. It stays until it is taken.
struct thread *scheduler_first_ready(void);
static inline struct thread *scheduler_next(void) {
    const struct cpu *cpu = cpu_self();
    return cpu->next != nullptr || cpu->ready_levels == 0 ? cpu->next : scheduler_first_ready();
}
static inline void scheduler_take(struct thread *next) {
    struct cpu *cpu = cpu_self();
    if (cpu->next == next) {
        cpu->next = cpu->next_seen = nullptr;
    } else {
        scheduler_remove(next);
    }
}

void scheduler_kill_running(struct thread *thread); // it makes no more calls, and its CPU leaves it

uint64_t scheduler_unaccounted_ticks(void); // that the running thread's process has used and is not charged for yet

// Leaves the kernel: goes on with this CPU's thread, another one, or idles.
[[noreturn]] void scheduler_leave_kernel(void);

extern uint64_t scheduler_switches, scheduler_space_switches, scheduler_ipis;
