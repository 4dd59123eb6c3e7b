// System calls: what their implementations share.
#pragma once

#include "arch.h"
#include "process.h"
#include "thread.h"

#include <starina/message.h>

// A system call answers this after thread_block(): whoever wakes the thread sets its result.
enum : int32_t { STATUS_BLOCKED_NUMBER = 2 };
#define STATUS_BLOCKED ((status_t) STATUS_BLOCKED_NUMBER)

// Copies from and to the caller's memory; `thread` is the running one. ERR_BAD_ADDRESS
status_t syscall_copy_in(struct thread *thread, void *to, uaddr_t from, size_t size);
status_t syscall_copy_out(struct thread *thread, uaddr_t to, const void *from, size_t size);

// In the two registers that the calling convention has for it.
struct syscall_result {
    int64_t status;
    uint64_t value;
};

// What entry code calls, for those that the fast path leaves to it; the others' are in the generated table.
struct syscall_result enter_channel_send(uint64_t channel, uint64_t, uint64_t, uint64_t, uint64_t, struct thread *caller);
struct syscall_result enter_channel_call(uint64_t channel, uint64_t deadline, uint64_t, uint64_t, uint64_t,
                                         struct thread *caller);
struct syscall_result enter_channel_reply_wait(uint64_t channel, uint64_t poll, uint64_t deadline, uint64_t, uint64_t,
                                               struct thread *caller);
struct syscall_result enter_poll_wait(uint64_t poll, uint64_t deadline, uint64_t, uint64_t, uint64_t, struct thread *caller);

// Asked by entry code before a call whose number is not below cpu->arch.call_limit. OK: make the call. Else: its result.
status_t syscall_check(uint64_t number);
void syscall_limit_reset(struct cpu *cpu); // nothing is to be asked before the calls of its next thread, or only tracing
