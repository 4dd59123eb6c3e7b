// Who runs: blocking, waking, and the way out of the kernel.
#pragma once

#include "cpu.h"
#include "process.h"
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
    return thread->level <= arch_cpu_current()->level;
}
[[clang::preserve_most]] void scheduler_queue_behind(struct thread *thread);

// The first that is as important as the running one waits in cpu->next and is the first to go on, with the rest of that
// one's time slice. Others wait in the run queue. With several CPUs, share_at is due: others may have time for it.
static inline void scheduler_queue(struct thread *thread) {
    bool is_first = arch_this_cpu->next == nullptr && thread->level == arch_cpu_current()->level;
    if (is_first && arch_this_cpu->slice_end >= arch_this_cpu->armed && arch_this_cpu->share_at != DEADLINE_NEVER) {
        thread->state = THREAD_READY;
        thread->cpu = cpu_self();
        arch_this_cpu->next = thread;
    } else {
        scheduler_queue_behind(thread);
    }
}

// The running one blocks until a deadline and the other one goes on, where none of those that wait for this CPU is more
// important. To be asked before a switch. Not while tracing.
[[clang::preserve_most]] bool scheduler_is_first(const struct thread *to);
static inline bool scheduler_may_switch_to(const struct thread *to) {
    return ((uint64_t) arch_this_cpu->next | arch_this_cpu->ready_levels) == 0 || scheduler_is_first(to);
}
[[noreturn]] void scheduler_switch(struct thread *from, struct thread *to, nsec_t deadline);
// The same in parts: whose time is counted, and all that comes before leaving the kernel. Returns whether the other one is in
// user mode.
static inline void scheduler_charge(struct thread *from, struct thread *to) {
    uint64_t ticks = arch_ticks();
    from->counts.ticks += ticks;
    to->counts.ticks -= ticks;
}
bool scheduler_switch_to(struct thread *from, struct thread *to, nsec_t deadline);

// A CPU, this one or another, went from one thread, which blocks until a deadline, to another by itself, whatever else was
// ready.
void scheduler_switched(struct cpu *cpu, struct thread *from, struct thread *to, nsec_t deadline);

// The one that is to go on when the running one blocks, and may be switched to; nullptr: none, or it was interrupted, so that
// there is more to be done. It stays until it is taken.
struct thread *scheduler_first_ready(void);
static inline struct thread *scheduler_next(void) {
    return arch_this_cpu->ready_levels == 0 ? arch_this_cpu->next : scheduler_first_ready();
}
[[gnu::always_inline]] static inline void scheduler_take(struct thread *next) {
    if (arch_this_cpu->next == next) {
        arch_this_cpu->next = arch_this_cpu->next_seen = nullptr;
    } else {
        scheduler_remove(next);
    }
}

void scheduler_kill_running(struct thread *thread); // it makes no more calls, and its CPU leaves it

uint64_t scheduler_ticks_under_way(const struct process *process); // what is missing in the counts of its threads that run

void scheduler_end_space(struct vmspace *space); // its process is gone: it is destroyed once no CPU has it loaded

// Leaves the kernel: goes on with this CPU's thread, another one, or idles.
[[noreturn]] void scheduler_leave_kernel(void);

uint64_t scheduler_switches(void);
extern uint64_t scheduler_space_switches, scheduler_ipis;
