// The scheduler: per-CPU run queues, 32 priorities, round robin with time slices inside one.
//
// Each priority has two levels, the upper one odd. A thread that used up a whole slice runs on the lower one until it
// blocks: so threads that answer requests are not delayed by one of the same priority that computes without end. One that
// waited there too long gets a slice on the upper level, so nobody starves inside a priority.
#include "scheduler.h"

#include "channel.h"
#include "lock.h"
#include "pager.h"
#include "process.h"
#include "syscall.h"
#include "trace.h"
#include "vmspace.h"

enum : nsec_t { SLICE = 5 * NSEC_PER_MSEC, STARVED_AFTER = 40 * NSEC_PER_MSEC };
// Waking a CPU takes so long, and costs both, that a server which soon waits for its next message is waited for instead.
enum : nsec_t { SHARE_AFTER = NSEC_PER_MSEC / 10, SHARE_NOT = 0 };
enum { LEVEL_IDLE = -1 };

struct cpu cpus[CPU_MAX];
uint32_t cpu_count;
uint32_t scheduler_idle_cpus;
uint64_t scheduler_space_switches, scheduler_ipis;

void scheduler_init_cpu(struct cpu *cpu) {
    for (int level = 0; level < LEVEL_COUNT; level++) {
        list_init(&cpu->ready[level]);
    }
    cpu->armed = DEADLINE_NEVER;
    cpu->share_at = machine_info.cpu_count == 1 ? SHARE_NOT : DEADLINE_NEVER;
}

uint8_t scheduler_level(uint8_t priority) {
    return (uint8_t) (priority * 2 + 1);
}

static int highest_ready_level(const struct cpu *cpu) {
    return cpu->ready_levels == 0 ? LEVEL_IDLE : 63 - __builtin_clzll(cpu->ready_levels);
}

// Of what it runs, or is about to run.
static int running_level(const struct cpu *cpu) {
    const struct thread *current = cpu->arch.current;
    return current == nullptr ? highest_ready_level(cpu) : current->level;
}

// --- Run queues ---

static void enqueue(struct cpu *cpu, struct thread *thread, bool at_front) {
    int level = thread->level;
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
    if (cpu->next == thread) {
        cpu->next = cpu->next_seen = nullptr;
        return;
    }
    int level = thread->level;
    list_remove(&thread->ready_node);
    cpu->ready_count--;
    if (list_is_empty(&cpu->ready[level])) {
        cpu->ready_levels &= ~(1ull << level);
    }
}

// The CPU that is least busy with something as important; of equals, this one if it idles, else the one where the thread
// ran last.
static struct cpu *choose_cpu(const struct thread *thread) {
    struct cpu *best = cpu_self();
    if (best->arch.current != nullptr && thread->cpu != nullptr) {
        best = thread->cpu;
    }
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
    cpu->must_arm = true;
    if (cpu == cpu_self()) {
        cpu->arch.must_schedule = true;
    } else if (running_level(cpu) <= thread->level) {
        scheduler_ipis++;
        arch_send_reschedule(cpu);
    }
}

static void make_ready_somewhere(struct thread *thread) {
    thread->ready_since = arch_clock_now();
    struct cpu *cpu = choose_cpu(thread);
    enqueue(cpu, thread, false);
    notify(cpu, thread);
}

void scheduler_make_ready_interrupted(struct thread *thread) {
    timeout_stop(&thread->timeout);
    make_ready_somewhere(thread);
}

void scheduler_make_ready(struct thread *thread) {
    if (arch_cpu_current() != nullptr && scheduler_may_queue(thread)) {
        scheduler_queue(thread);
        return;
    }
    make_ready_somewhere(thread);
}

static void set_next(struct cpu *cpu, struct thread *thread) {
    thread->state = THREAD_READY;
    thread->cpu = cpu;
    cpu->next = thread;
}

// No other CPU is woken at once for the first one.
[[clang::preserve_most, gnu::noinline]] void scheduler_queue_behind(struct thread *thread) {
    struct cpu *cpu = cpu_self();
    if (cpu->next != nullptr || thread->level != cpu->arch.current->level) {
        make_ready_somewhere(thread);
        return;
    }
    set_next(cpu, thread);
    if (cpu->share_at == DEADLINE_NEVER) {
        cpu->share_at = arch_clock_now() + SHARE_AFTER;
        cpu->must_arm = cpu->arch.must_schedule = true;
    }
    if (cpu->slice_end < cpu->armed) {
        cpu->must_arm = cpu->arch.must_schedule = true; // the running one has a competitor now
    }
}

// The next thread is looked at twice. If it still waits then, it goes to a CPU that has time for it.
static void share_next(struct cpu *cpu, nsec_t now) {
    struct thread *next = cpu->next;
    if (next == nullptr) {
        return;
    }
    cpu->must_arm = true;
    if (next != cpu->next_seen) {
        cpu->next_seen = next;
        cpu->share_at = now + SHARE_AFTER;
        return;
    }
    cpu->next = cpu->next_seen = nullptr;
    make_ready_somewhere(next);
}

void scheduler_hand_over(struct thread *thread) {
    struct cpu *cpu = cpu_self();
    if (cpu->next == nullptr && scheduler_may_switch_to(thread)) {
        set_next(cpu, thread);
    } else {
        scheduler_make_ready(thread);
    }
}

void scheduler_kill_running(struct thread *thread) {
    thread->cpu->arch.must_schedule = true;
    thread->cpu->arch.call_limit = 0;
    if (thread->cpu != cpu_self()) {
        arch_send_reschedule(thread->cpu);
    }
}

// --- Waiting ---

static void wait_timed_out(struct timeout *timeout) {
    struct thread *thread = LIST_CONTAINER(timeout, struct thread, timeout);
    if (thread->call_channel != nullptr) {
        channel_end_call(thread->call_channel, ERR_TIMED_OUT);
    } else if (thread->wait_pager != nullptr) {
        pager_end_wait(thread, ERR_TIMED_OUT);
    } else {
        thread_end_wait(thread, ERR_TIMED_OUT);
        scheduler_make_ready(thread);
    }
}

void thread_block(struct thread *thread, nsec_t deadline) {
    thread->state = THREAD_BLOCKED;
    thread->level |= 1;
    timeout_start(&thread->timeout, deadline, wait_timed_out);
    cpu_self()->arch.must_schedule = true;
}

void thread_end_wait(struct thread *thread, status_t status) {
    if (thread->state != THREAD_BLOCKED) {
        panic("thread %u is woken but does not wait", thread->id);
    }
    thread->state = THREAD_READY;
    poll_forget_waiter(thread);
    if (thread->timeout.heap != nullptr) {
        timeout_stop(&thread->timeout);
    }
    arch_set_result(&thread->arch, status, 0);
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

// One that waits on another CPU for that one's current thread to block.
static struct thread *steal_next(void) {
    for (uint32_t i = 0; i < machine_info.cpu_count; i++) {
        struct thread *next = cpus[i].next;
        if (next != nullptr) {
            cpus[i].next = cpus[i].next_seen = nullptr;
            return next;
        }
    }
    return nullptr;
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
    thread->level |= 1;
    return thread;
}

static struct thread *take_next(struct cpu *cpu, nsec_t now) {
    int level = highest_ready_level(cpu);
    struct thread *thread = steal_above(cpu, level | 1); // of a higher priority, or any if there is none here
    if (thread != nullptr || level == LEVEL_IDLE) {
        return thread != nullptr ? thread : steal_next();
    }
    thread = take_starved(cpu, level, now);
    if (thread == nullptr) {
        thread = LIST_CONTAINER(cpu->ready[level].next, struct thread, ready_node);
        scheduler_remove(thread);
    }
    return thread;
}

// Time is charged by adding what the clock says when a thread is taken off, less what it said when it was put on.
static void charge_from(struct thread *thread) {
    thread->counts.ticks -= arch_ticks();
}

static void charge_until(struct thread *thread) {
    thread->counts.ticks += arch_ticks();
}

uint64_t scheduler_ticks_under_way(const struct process *process) {
    uint64_t ticks = 0;
    for (uint32_t i = 0; i < machine_info.cpu_count; i++) {
        const struct thread *current = cpus[i].arch.current;
        ticks += current != nullptr && current->process == process ? arch_ticks() : 0;
    }
    return ticks;
}

// The thread runs on the CPU from now on.
[[gnu::always_inline]] static inline void set_current(struct thread *thread) {
    thread->state = THREAD_RUNNING;
    thread->cpu = cpu_self();
    arch_this_cpu->arch.current = thread;
    arch_this_cpu->switches++;
}

// For who reads the machine's memory: where a CPU's count is, and how large a CPU.
[[gnu::used]] const uint64_t scheduler_switches_layout[] = {offsetof(struct cpu, switches), sizeof(struct cpu)};

uint64_t scheduler_switches(void) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < machine_info.cpu_count; i++) {
        sum += cpus[i].switches;
    }
    return sum;
}

static void put_on(struct thread *thread) {
    charge_from(thread);
    arch_thread_enter(&thread->arch);
    set_current(thread);
    trace(TRACE_SWITCH, thread->id, thread->process->id);
}

static void take_off(struct thread *thread) {
    charge_until(thread);
    arch_thread_leave(&thread->arch);
}

static bool should_yield(const struct cpu *cpu, struct thread *thread, nsec_t now) {
    int ready = highest_ready_level(cpu);
    if (now >= cpu->slice_end) {
        if (cpu->switches == cpu->alone_since) {
            thread->level &= ~1; // else it came to the slice with others, none of which computes for long
        }
        return true;
    }
    return ready > thread->level;
}

static void leave_current(struct cpu *cpu, nsec_t now) {
    struct thread *thread = cpu->arch.current;
    take_off(thread);
    cpu->arch.current = nullptr;
    if (thread->state == THREAD_DEAD) {
        thread_free(thread);
    } else if (thread->state == THREAD_RUNNING) {
        // Preempted in its slice: it is next of its level. At the slice's end: behind the others.
        thread->ready_since = now;
        thread->slice_left = now < cpu->slice_end ? cpu->slice_end - now : 0;
        enqueue(cpu, thread, thread->slice_left > 0);
        cpu->must_arm = true;
    }
}

[[gnu::always_inline]] static inline void load_space(struct vmspace *space, struct arch_vmspace *tables) {
    arch_this_cpu->space = space;
    arch_vmspace_activate(tables);
    scheduler_space_switches++;
}

// Loads the address space of a user-mode thread. Kernel-isolated ones have none of their own, and run in any.
[[gnu::always_inline]] static inline void use_space(struct vmspace *space) {
    if (space != nullptr && arch_this_cpu->space != space) {
        load_space(space, &space->own);
    }
}

// Address spaces of processes that are gone, until no CPU has them loaded any more.
static struct list dead_spaces = {&dead_spaces, &dead_spaces};

static bool is_loaded(const struct vmspace *space) {
    bool found = false;
    for (uint32_t i = 0; i < machine_info.cpu_count; i++) {
        found |= cpus[i].space == space;
    }
    return found;
}

void scheduler_end_space(struct vmspace *space) {
    if (!is_loaded(space)) {
        vmspace_destroy(space);
        return;
    }
    space->is_dead = true;
    list_push_back(&dead_spaces, &space->dead_node);
    for (uint32_t i = 0; i < machine_info.cpu_count; i++) {
        if (cpus[i].space == space && &cpus[i] != cpu_self()) {
            arch_send_reschedule(&cpus[i]);
        }
    }
    cpu_self()->arch.must_schedule = true;
}

[[gnu::noinline]] static void free_dead_spaces(struct cpu *cpu) {
    if (cpu->space != nullptr && cpu->space->is_dead) {
        load_space(nullptr, &arch_kernel_space);
    }
    LIST_FOR_EACH(node, &dead_spaces) {
        struct vmspace *space = LIST_CONTAINER(node, struct vmspace, dead_node);
        if (!is_loaded(space)) {
            list_remove(&space->dead_node);
            vmspace_destroy(space);
        }
    }
}

// Earlier only: an interrupt with nothing due costs less than setting the timer at each change.
static void arm_timer(struct cpu *cpu) {
    cpu->must_arm = false;
    nsec_t deadline = timeout_next(&cpu->timeouts);
    const struct thread *current = cpu->arch.current;
    bool has_competitor = cpu->next != nullptr || (current != nullptr && highest_ready_level(cpu) >= (current->level & ~1));
    if (has_competitor && cpu->slice_end < deadline) {
        deadline = cpu->slice_end;
    }
    if (cpu->share_at != SHARE_NOT && cpu->share_at < deadline) {
        deadline = cpu->share_at;
    }
    if (deadline < cpu->armed || (deadline != cpu->armed && !arch_clock_is_exact())) {
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
        cpu->must_arm = true;
        cpu->slice_end = now + (next->slice_left != 0 ? next->slice_left : SLICE);
        put_on(next);
        cpu->alone_since = next->slice_left == 0 ? cpu->switches : UINT64_MAX;
        next->slice_left = 0;
    } else if (!was_idle) {
        trace(TRACE_SWITCH, 0, 0);
    }
}

// Chooses what the CPU goes on with.
static void schedule(struct cpu *cpu) {
    struct thread *current = cpu->arch.current;
    nsec_t now = arch_clock_now();
    bool goes_on = current != nullptr && current->state == THREAD_RUNNING;
    if (cpu->share_at != SHARE_NOT && now >= cpu->share_at) {
        cpu->share_at = DEADLINE_NEVER;
        if (goes_on) {
            share_next(cpu, now);
        }
    }
    if (goes_on && !should_yield(cpu, current, now)) {
        return;
    }
    struct thread *next = cpu->next;
    if (next != nullptr) {
        cpu->next = cpu->next_seen = nullptr;
        if (current->state == THREAD_BLOCKED && now < cpu->slice_end && scheduler_may_switch_to(next)) {
            take_off(current);
            put_on(next);
            cpu->must_arm = true; // it may be less important than the one before, and so have other competitors
            return;
        }
        if (scheduler_idle_cpus != 0) {
            make_ready_somewhere(next);
        } else {
            next->ready_since = now;
            enqueue(cpu, next, now < cpu->slice_end);
            cpu->must_arm = true;
        }
    }
    switch_thread(cpu, now);
}

static void set_idle(struct cpu *cpu, bool is_idle) {
    if (cpu->is_idle != is_idle) {
        cpu->is_idle = is_idle;
        arch_spin_poll();
        scheduler_idle_cpus += is_idle ? 1 : UINT32_MAX;
    }
}

[[noreturn]] void scheduler_leave_kernel(void) {
    struct cpu *cpu = cpu_self();
    struct thread *current;
    do { // the end of an address space may wake a pager
        cpu->arch.must_schedule = false;
        schedule(cpu);
        current = cpu->arch.current;
        set_idle(cpu, current == nullptr);
        if (current != nullptr) {
            use_space(current->user_space);
        }
        if (!list_is_empty(&dead_spaces)) {
            free_dead_spaces(cpu);
        }
    } while (cpu->arch.must_schedule);
    if (cpu->must_arm || !arch_clock_is_exact()) {
        arm_timer(cpu);
    }
    if (cpu->arch.call_limit == 0) {
        syscall_limit_reset(cpu);
    }
    if (current == nullptr) {
        arch_idle();
    }
    arch_resume(&current->arch);
}

// Seldom, and without a price for other switches: it keeps their registers.
[[clang::preserve_most, gnu::noinline]] static void arm_timer_now(void) {
    struct cpu *cpu = cpu_self();
    arm_timer(cpu);
    cpu->arch.must_schedule = false;
}

[[clang::preserve_most, gnu::noinline]] static void set_deadline(struct thread *thread, nsec_t deadline) {
    timeout_start(&thread->timeout, deadline, wait_timed_out);
}

[[gnu::always_inline]] bool scheduler_switch_to(struct thread *from, struct thread *to, nsec_t deadline) {
    struct vmspace *space = to->user_space;
    from->state = THREAD_BLOCKED;
    from->level |= 1;
    arch_thread_switch(&from->arch, &to->arch, space != nullptr);
    set_current(to);
    if (__builtin_expect(deadline != DEADLINE_NEVER, 0)) {
        set_deadline(from, deadline);
    }
    if (__builtin_expect(arch_this_cpu->must_arm, 0)) {
        arm_timer_now();
    }
    use_space(space);
    return space != nullptr;
}

// Who waits in the run queue may compete with it, though not with the one before.
[[clang::preserve_most, gnu::noinline]] bool scheduler_is_first(const struct thread *to) {
    struct cpu *cpu = cpu_self();
    bool is_first = highest_ready_level(cpu) <= to->level && (cpu->next == nullptr || cpu->next->level <= to->level);
    cpu->must_arm |= is_first && cpu->ready_levels != 0 && cpu->slice_end < cpu->armed;
    return is_first;
}

void scheduler_switched(struct cpu *cpu, struct thread *from, struct thread *to, nsec_t deadline) {
    from->state = THREAD_BLOCKED;
    from->level |= 1;
    timeout_start(&from->timeout, deadline, wait_timed_out);
    to->state = THREAD_RUNNING;
    to->cpu = cpu;
    cpu->switches++;
    bool is_first = highest_ready_level(cpu) <= to->level && (cpu->next == nullptr || cpu->next->level <= to->level);
    bool has_slice = (cpu->next == nullptr && cpu->ready_levels == 0) || cpu->armed <= cpu->slice_end;
    if (is_first && has_slice) {
        return;
    }
    cpu->must_arm = cpu->arch.must_schedule = true;
    if (cpu != cpu_self()) {
        scheduler_ipis++;
        arch_send_reschedule(cpu);
    }
}

struct thread *scheduler_first_ready(void) {
    const struct cpu *cpu = cpu_self();
    struct thread *first = cpu->next;
    if (first == nullptr) {
        first = LIST_CONTAINER(cpu->ready[highest_ready_level(cpu)].next, struct thread, ready_node);
    }
    return arch_thread_is_in_call(&first->arch) && scheduler_is_first(first) ? first : nullptr;
}

[[noreturn, gnu::always_inline]] void scheduler_switch(struct thread *from, struct thread *to, nsec_t deadline) {
    scheduler_charge(from, to);
    (void) scheduler_switch_to(from, to, deadline);
    arch_resume(&to->arch);
}
