// Who runs where, with CPUs that are played here.
//
// test-with: kernel/scheduler.c kernel/timeout.c
#include "scheduler.h"

#include "channel.h"
#include "poll.h"
#include "process.h"
#include "syscall.h"
#include "trace.h"
#include "vmspace.h"

#include <setjmp.h>
#include <test/kernel/machine.h>
#include <test/test.h>

enum { CPUS = 3, THREADS = 12 };
enum : nsec_t { SLICE = 5 * NSEC_PER_MSEC };
enum : uint8_t { LOW = 5, MIDDLE = 16, HIGH = 20 };

struct machine_info machine_info;
struct arch_vmspace arch_kernel_space;
struct trace_area trace_area;

static struct process process;
static struct thread threads[THREADS];
static unsigned self;
static nsec_t now = 1000;
static nsec_t timers[CPUS];
static bool is_interrupted[CPUS];
static jmp_buf left;

// --- The rest of the kernel ---

struct cpu *arch_cpu(void) {
    return &cpus[self];
}
nsec_t arch_clock_now(void) {
    return now;
}
nsec_t arch_ticks_to_ns(uint64_t ticks) {
    return ticks;
}
bool arch_clock_is_exact(void) {
    return true;
}
void arch_timer_set(nsec_t deadline) {
    timers[self] = deadline;
}
void arch_send_reschedule(struct cpu *cpu) {
    is_interrupted[cpu - cpus] = true;
}
[[noreturn]] void arch_resume(struct arch_thread *) {
    longjmp(left, 1);
}
[[noreturn]] void arch_end_call(struct arch_thread *, bool) {
    longjmp(left, 1);
}
[[noreturn]] void arch_idle(void) {
    longjmp(left, 1);
}
void arch_thread_enter(struct arch_thread *) {
}
void arch_thread_leave(struct arch_thread *) {
}
void arch_thread_switch(struct arch_thread *, struct arch_thread *, bool) {
}
void arch_vmspace_activate(struct arch_vmspace *) {
}
void arch_spin_poll(void) {
}

static struct thread *woken_by_end; // of an address space

void vmspace_destroy(struct vmspace *) {
    if (woken_by_end != nullptr) {
        thread_end_wait(woken_by_end, OK);
        scheduler_make_ready(woken_by_end);
    }
}

void thread_free(struct thread *thread) {
    thread->state = THREAD_NEW;
}
void pager_end_wait(struct thread *, status_t) {
}

void channel_end_call(struct channel *, status_t) {
}
void poll_forget_waiter(struct thread *) {
}
void syscall_limit_reset(struct cpu *) {
}
void trace_record(enum trace_kind, uint64_t, uint64_t) {
}

// --- CPUs at work ---

static void set_up(uint32_t count) {
    machine_info.cpu_count = count;
    for (self = 0; self < count; self++) {
        scheduler_init_cpu(&cpus[self]);
        cpus[self].is_online = true;
        timers[self] = DEADLINE_NEVER;
    }
    self = 0;
    for (size_t i = 0; i < THREADS; i++) {
        threads[i] = (struct thread) {.process = &process, .id = (uint32_t) i, .level = scheduler_level(MIDDLE)};
        list_init(&threads[i].ready_node);
    }
}

static void leave_kernel(unsigned cpu) {
    self = cpu;
    if (setjmp(left) == 0) {
        scheduler_leave_kernel();
    }
}

static void switch_threads(unsigned cpu, struct thread *from, struct thread *to) {
    self = cpu;
    EXPECT(scheduler_may_switch_to(to));
    scheduler_charge(from, to);
    (void) scheduler_switch_to(from, to, DEADLINE_NEVER);
}

// All that is due by then happens.
static void pass(nsec_t time) {
    for (nsec_t end = now + time; now < end; now += NSEC_PER_MSEC / 20) {
        for (unsigned cpu = 0; cpu < machine_info.cpu_count; cpu++) {
            bool is_due = timers[cpu] <= now;
            if (!is_due && !is_interrupted[cpu]) {
                continue;
            }
            self = cpu;
            is_interrupted[cpu] = false;
            if (is_due) {
                timers[cpu] = cpus[cpu].armed = DEADLINE_NEVER;
                cpus[cpu].must_arm = true;
                timeout_run_expired(&cpus[cpu].timeouts, now);
            }
            leave_kernel(cpu);
        }
    }
}

static void begin(unsigned cpu, struct thread *thread, uint8_t priority) {
    thread->level = scheduler_level(priority);
    self = cpu;
    scheduler_make_ready(thread);
    leave_kernel(cpu);
}

static struct thread *current(unsigned cpu) {
    return cpus[cpu].arch.current;
}

TEST("who is handed the CPU by a more important thread shares it with those of its own importance") {
    set_up(1);
    begin(0, &threads[0], HIGH);
    begin(0, &threads[1], LOW);
    EXPECT(current(0) == &threads[0]);
    threads[2].level = scheduler_level(LOW);
    switch_threads(0, &threads[0], &threads[2]);
    EXPECT(current(0) == &threads[2]);
    pass(2 * SLICE);
    EXPECT(current(0) == &threads[1]);
}

TEST("a thread that waits for the running one to block goes to an idle CPU when that takes long") {
    set_up(2);
    leave_kernel(1);
    begin(0, &threads[0], MIDDLE);
    begin(0, &threads[1], MIDDLE);
    EXPECT(current(0) == &threads[0]);
    EXPECT(current(1) == nullptr);
    pass(NSEC_PER_MSEC);
    EXPECT(current(0) == &threads[0]);
    EXPECT(current(1) == &threads[1]);
}

TEST("two threads that become ready at once on a CPU that idles do not wait for each other") {
    set_up(2);
    leave_kernel(1);
    leave_kernel(0);
    scheduler_make_ready(&threads[0]);
    scheduler_make_ready(&threads[1]);
    leave_kernel(0);
    pass(NSEC_PER_MSEC);
    EXPECT(current(0) == &threads[0] && current(1) == &threads[1]);
}

TEST("a thread that is made ready just before the end of a slice goes to an idle CPU too") {
    set_up(2);
    leave_kernel(1);
    begin(0, &threads[0], MIDDLE);
    pass(3 * SLICE); // alone, so that nobody ended its slice
    begin(0, &threads[1], MIDDLE);
    pass(NSEC_PER_MSEC);
    EXPECT(current(0) != nullptr && current(1) != nullptr);
}

TEST("an important thread takes a CPU whose thread is less important") {
    set_up(2);
    begin(0, &threads[0], LOW);
    self = 1;
    begin(1, &threads[1], HIGH);
    EXPECT(current(1) == &threads[1]);
    begin(1, &threads[2], HIGH);
    pass(NSEC_PER_MSEC);
    EXPECT(current(0) == &threads[2]);
}

TEST("threads on another CPU share it from when one is added there") {
    set_up(2);
    begin(0, &threads[0], HIGH);
    begin(1, &threads[1], LOW);
    EXPECT(current(1) == &threads[1]);
    begin(0, &threads[2], LOW); // one that CPU 0 has no time for
    pass(3 * SLICE);
    EXPECT(current(0) == &threads[0]);
    EXPECT(threads[1].state != THREAD_RUNNING || threads[2].state != THREAD_RUNNING);
    struct thread *before = current(1);
    pass(3 * SLICE);
    EXPECT(current(1) != before || before->slice_left > 0);
}

TEST("a thread that waits for the running one to block can be taken back") {
    set_up(1);
    begin(0, &threads[0], MIDDLE);
    begin(0, &threads[1], MIDDLE);
    EXPECT(cpus[0].next == &threads[1]);
    EXPECT_EQ(threads[1].state, THREAD_READY);
    scheduler_remove(&threads[1]);
    EXPECT(cpus[0].next == nullptr);
    thread_block(&threads[0], DEADLINE_NEVER);
    leave_kernel(0);
    EXPECT(current(0) == nullptr);
}

TEST("CPUs that idle are left alone by their timers") {
    set_up(2);
    leave_kernel(1);
    begin(0, &threads[0], MIDDLE);
    begin(0, &threads[1], MIDDLE);
    for (size_t i = 0; i < 2; i++) {
        self = 0;
        thread_block(current(0), DEADLINE_NEVER);
        leave_kernel(0);
    }
    pass(2 * SLICE);
    EXPECT(current(0) == nullptr && current(1) == nullptr);
    EXPECT(timers[0] == DEADLINE_NEVER && timers[1] == DEADLINE_NEVER);
}

static unsigned count(enum thread_state state) {
    unsigned found = 0;
    for (size_t i = 0; i < THREADS; i++) {
        found += threads[i].state == state;
    }
    return found;
}

// Begins, wakes or blocks one at random.
static void act(unsigned chance) {
    struct thread *thread = &threads[chance % THREADS];
    unsigned cpu = chance / THREADS % machine_info.cpu_count;
    if (thread->state == THREAD_NEW) {
        begin(cpu, thread, chance % 3 == 0 ? HIGH : MIDDLE);
    } else if (thread->state == THREAD_BLOCKED) {
        self = cpu;
        thread_end_wait(thread, OK);
        scheduler_make_ready(thread);
        leave_kernel(cpu);
    } else if (thread->state == THREAD_RUNNING) {
        self = (unsigned) (thread->cpu - cpus);
        thread_block(thread, chance % 5 == 0 ? now + NSEC_PER_MSEC : DEADLINE_NEVER);
        leave_kernel(self);
    }
}

TEST("no CPU idles for long while a thread is ready, and none runs one while a more important one is ready") {
    for (uint32_t cpu_count = 1; cpu_count <= CPUS; cpu_count++) {
        set_up(cpu_count);
        for (unsigned i = 1; i < cpu_count; i++) {
            leave_kernel(i);
        }
        for (unsigned round = 0; round < 2000; round++) {
            act(random_below(1000000));
            if (round % 4 != 0) {
                continue;
            }
            pass(NSEC_PER_MSEC);
            unsigned running = count(THREAD_RUNNING), ready = count(THREAD_READY);
            EXPECT_EQ(running, running + ready < cpu_count ? running + ready : cpu_count);
        }
        scheduler_idle_cpus = 0;
        for (unsigned i = 0; i < CPUS; i++) {
            cpus[i] = (struct cpu) {};
        }
    }
}

TEST("a thread that is woken as an idle CPU lets go of a dead address space runs") {
    static struct vmspace space = {.is_user = true};
    set_up(2);
    leave_kernel(0);
    leave_kernel(1);
    cpus[1].space = &space;
    self = 0;
    scheduler_end_space(&space);
    threads[0].state = THREAD_BLOCKED;
    threads[0].cpu = &cpus[1];
    woken_by_end = &threads[0];
    leave_kernel(1); // by the interrupt that was sent to it
    EXPECT_EQ(threads[0].state, THREAD_RUNNING);
}
