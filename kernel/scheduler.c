// The scheduler: per-CPU run queues, 32 priorities, round robin with time slices inside one.
//
// Each priority has two levels. A thread that used up a whole slice runs on the lower one until it blocks: so threads
// that answer requests are not delayed by one of the same priority that computes without end. One that waited there too
// long gets a slice on the upper level, so nobody starves inside a priority.
#include "scheduler.h"

#include "channel.h"
#include "lock.h"
#include "process.h"
#include "syscall.h"
#include "trace.h"
#include "vmspace.h"

enum : nsec_t { SLICE = 5 * NSEC_PER_MSEC, STARVED_AFTER = 40 * NSEC_PER_MSEC };
enum { LEVEL_IDLE = -1 };

struct cpu cpus[CPU_MAX];
uint32_t cpu_count;
uint64_t scheduler_switches, scheduler_space_switches, scheduler_ipis;

void scheduler_init_cpu(struct cpu *cpu) {
    for (int level = 0; level < LEVEL_COUNT; level++) {
        list_init(&cpu->ready[level]);
    }
    cpu->armed = DEADLINE_NEVER;
}

static int level_of(const struct thread *thread) {
    return thread->priority * 2 + (thread->used_up_slice ? 0 : 1);
}

static int running_level(const struct cpu *cpu) {
    const struct thread *current = cpu->arch.current;
    return current == nullptr ? LEVEL_IDLE : level_of(current);
}

static int highest_ready_level(const struct cpu *cpu) {
    return cpu->ready_levels == 0 ? LEVEL_IDLE : 63 - __builtin_clzll(cpu->ready_levels);
}

// --- Run queues ---

static void enqueue(struct cpu *cpu, struct thread *thread, bool at_front) {
    int level = level_of(thread);
    thread->cpu = cpu;
    thread->state = THREAD_READY;
    if (at_front) {
        list_push_front(&cpu->ready[level], &thread->ready_node);
    } else {
        list_push_back(&cpu->ready[level], &thread->ready_node);
    }
    cpu->ready_levels |= 1ull << level;
    cpu->ready_count++;
}

void scheduler_remove(struct thread *thread) {
    struct cpu *cpu = thread->cpu;
    int level = level_of(thread);
    list_remove(&thread->ready_node);
    cpu->ready_count--;
    if (list_is_empty(&cpu->ready[level])) {
        cpu->ready_levels &= ~(1ull << level);
    }
}

// The CPU that is least busy with something as important; of equals, the one where the thread ran last.
static struct cpu *choose_cpu(const struct thread *thread) {
    struct cpu *best = thread->cpu != nullptr ? thread->cpu : &cpus[0];
    int best_level = running_level(best);
    for (uint32_t i = 0; i < machine_info.cpu_count && best_level != LEVEL_IDLE; i++) {
        int level = running_level(&cpus[i]);
        if (!cpus[i].is_online) {
            continue;
        }
        if (level < best_level || (level == best_level && cpus[i].ready_count + 1 < best->ready_count)) {
            best = &cpus[i];
            best_level = level;
        }
    }
    return best;
}

// A CPU has to hear of a thread that should run at once, or with which its current one must now share.
static void notify(struct cpu *cpu, const struct thread *thread) {
    if (cpu != cpu_self() && running_level(cpu) <= level_of(thread)) {
        scheduler_ipis++;
        arch_send_reschedule(cpu);
    }
}

void scheduler_make_ready(struct thread *thread) {
    thread->ready_since = arch_clock_now();
    struct cpu *cpu = choose_cpu(thread);
    enqueue(cpu, thread, false);
    notify(cpu, thread);
}

// --- Waiting ---

// A call ends with its deadline, before a reply or the channel's end can find a caller that no longer waits. A poll is
// asked once more.
static void wait_timed_out(struct timeout *timeout) {
    struct thread *thread = LIST_CONTAINER(timeout, struct thread, timeout);
    if (thread->call_channel != nullptr) {
        channel_end_call(thread->call_channel, ERR_TIMED_OUT);
    } else {
        thread_wake(thread);
    }
}

void thread_block(struct thread *thread, struct list *waiters, nsec_t deadline) {
    thread->state = THREAD_BLOCKED;
    if (waiters != nullptr) {
        list_push_back(waiters, &thread->wait_node);
    }
    timeout_start(&thread->timeout, deadline, wait_timed_out);
}

static void end_wait(struct thread *thread) {
    if (thread->state != THREAD_BLOCKED) {
        panic("thread %u is woken but does not wait", thread->id);
    }
    list_remove(&thread->wait_node);
    timeout_stop(&thread->timeout);
    thread->used_up_slice = false;
    thread->slice_left = SLICE;
    scheduler_make_ready(thread);
}

void thread_wake(struct thread *thread) {
    thread->must_execute = true;
    end_wait(thread);
}

void thread_finish_wait(struct thread *thread, status_t status) {
    arch_set_result(&thread->arch, status, 0);
    end_wait(thread);
}

// --- Switching ---

// A thread that waits on another CPU although it is more important than all that waits here.
static struct thread *steal_above(struct cpu *cpu, int level) {
    struct cpu *victim = nullptr;
    for (uint32_t i = 0; i < machine_info.cpu_count; i++) {
        if (&cpus[i] != cpu && highest_ready_level(&cpus[i]) > level) {
            victim = &cpus[i];
            level = highest_ready_level(victim);
        }
    }
    if (victim == nullptr) {
        return nullptr;
    }
    struct thread *thread = LIST_CONTAINER(victim->ready[level].next, struct thread, ready_node);
    scheduler_remove(thread);
    return thread;
}

static struct thread *take_starved(struct cpu *cpu, int level, nsec_t now) {
    if ((level & 1) == 0 || list_is_empty(&cpu->ready[level - 1])) {
        return nullptr;
    }
    struct thread *thread = LIST_CONTAINER(cpu->ready[level - 1].next, struct thread, ready_node);
    if (now - thread->ready_since < STARVED_AFTER) {
        return nullptr;
    }
    scheduler_remove(thread);
    thread->used_up_slice = false;
    return thread;
}

static struct thread *take_next(struct cpu *cpu, nsec_t now) {
    int level = highest_ready_level(cpu);
    struct thread *thread = steal_above(cpu, level | 1); // of a higher priority, or any if there is none here
    if (thread != nullptr || level == LEVEL_IDLE) {
        return thread;
    }
    thread = take_starved(cpu, level, now);
    if (thread == nullptr) {
        thread = LIST_CONTAINER(cpu->ready[level].next, struct thread, ready_node);
        scheduler_remove(thread);
    }
    return thread;
}

static void put_on(struct cpu *cpu, struct thread *thread, nsec_t now) {
    if (thread->slice_left == 0) {
        thread->slice_left = SLICE;
    }
    thread->state = THREAD_RUNNING;
    thread->cpu = cpu;
    cpu->arch.current = thread;
    cpu->switched_at = now;
    cpu->slice_end = now + thread->slice_left;
    scheduler_switches++;
    trace(TRACE_SWITCH, thread->id, thread->process->id);
}

// Accounts for the time of the thread that leaves the CPU.
static void take_off(struct cpu *cpu, struct thread *thread, nsec_t now) {
    thread->process->cpu_ns += now - cpu->switched_at;
    thread->slice_left = now < cpu->slice_end ? cpu->slice_end - now : 0;
    arch_thread_leave(thread);
    cpu->arch.current = nullptr;
}

static bool should_yield(const struct cpu *cpu, struct thread *thread, nsec_t now) {
    int ready = highest_ready_level(cpu);
    if (now >= cpu->slice_end) {
        thread->used_up_slice = true;
        return true;
    }
    return ready > level_of(thread);
}

static void leave_current(struct cpu *cpu, nsec_t now) {
    struct thread *thread = cpu->arch.current;
    take_off(cpu, thread, now);
    if (thread->state == THREAD_DEAD) {
        thread_free(thread);
    } else if (thread->state == THREAD_RUNNING) {
        // Preempted in its slice: it is next of its level. At the slice's end: behind the others.
        thread->ready_since = now;
        enqueue(cpu, thread, thread->slice_left > 0);
    }
}

// Loads the thread's address space. Kernel-isolated threads run in any.
static void use_space(struct cpu *cpu, struct vmspace *space) {
    if (cpu->space == space || (space != nullptr && !space->is_user)) {
        return;
    }
    struct vmspace *before = cpu->space;
    cpu->space = space;
    if (space != nullptr) {
        space->references++;
    }
    arch_vmspace_activate(space != nullptr ? &space->own : &arch_kernel_space);
    scheduler_space_switches++;
    if (before != nullptr) {
        vmspace_release(before);
    }
}

static void arm_timer(struct cpu *cpu) {
    nsec_t deadline = timeout_next(&cpu->timeouts);
    const struct thread *current = cpu->arch.current;
    if (current != nullptr && highest_ready_level(cpu) >= (level_of(current) & ~1) && cpu->slice_end < deadline) {
        deadline = cpu->slice_end;
    }
    if (deadline != cpu->armed) {
        cpu->armed = deadline;
        arch_timer_set(deadline);
    }
}

static void switch_thread(struct cpu *cpu, nsec_t now) {
    bool was_idle = cpu->arch.current == nullptr;
    if (!was_idle) {
        leave_current(cpu, now);
    }
    struct thread *next = take_next(cpu, now);
    if (next != nullptr) {
        put_on(cpu, next, now);
    } else if (!was_idle) {
        trace(TRACE_SWITCH, 0, 0);
    }
}

[[noreturn]] void scheduler_leave_kernel(void) {
    struct cpu *cpu = cpu_self();
    for (;;) {
        struct thread *current = cpu->arch.current;
        nsec_t now = arch_clock_now();
        if (current == nullptr || current->state != THREAD_RUNNING || should_yield(cpu, current, now)) {
            switch_thread(cpu, now);
        }
        current = cpu->arch.current;
        if (cpu->space != nullptr && cpu->space->is_dead) {
            use_space(cpu, nullptr);
        }
        if (current == nullptr) {
            arm_timer(cpu);
            arch_idle();
        }
        use_space(cpu, current->process->space);
        if (!current->must_execute) {
            arm_timer(cpu);
            arch_resume(current);
        }
        current->must_execute = false;
        syscall_execute(current);
    }
}
