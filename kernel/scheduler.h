// Who runs: blocking, waking, and the way out of the kernel.
#pragma once

#include "cpu.h"
#include "thread.h"

void scheduler_init_cpu(struct cpu *cpu);

// The running thread waits: on a list (or none) and until a deadline. Its system call is executed again when it wakes.
void thread_block(struct thread *thread, struct list *waiters, nsec_t deadline);
void thread_wake(struct thread *thread);                         // its system call is executed again
void thread_finish_wait(struct thread *thread, status_t status); // its system call ends with this status
void scheduler_make_ready(struct thread *thread);
void scheduler_remove(struct thread *thread); // from the run queue

// Leaves the kernel: goes on with this CPU's thread, another one, or idles.
[[noreturn]] void scheduler_leave_kernel(void);

extern uint64_t scheduler_switches, scheduler_space_switches, scheduler_ipis;
