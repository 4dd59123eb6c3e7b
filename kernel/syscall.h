// System calls: what their implementations share.
#pragma once

#include "arch.h"
#include "process.h"
#include "thread.h"

#include <starina/message.h>

// A system call answers this after thread_block(): it is executed again when the thread is woken.
enum : int32_t { STATUS_BLOCKED_NUMBER = 2 };
#define STATUS_BLOCKED ((status_t) STATUS_BLOCKED_NUMBER)

// Copies from and to the caller's memory; `thread` is the running one. ERR_BAD_ADDRESS
status_t syscall_copy_in(struct thread *thread, void *to, uaddr_t from, size_t size);
status_t syscall_copy_out(struct thread *thread, uaddr_t to, const void *from, size_t size);

// Executes the call that is in the thread's registers.
void syscall_execute(struct thread *thread);
