// System calls: what entry code calls, and access to the caller's memory.
#include "syscall.h"

#include "cpu.h"
#include "lock.h"
#include "trace.h"
#include "vmspace.h"

#include <syscall_table.h>

status_t syscall_check(uint64_t number) {
    if (kernel_lock_is_wanted()) {
        kernel_lock_yield();
    }
    const struct thread *thread = cpu_self()->arch.current;
    if (thread->state != THREAD_RUNNING) {
        return STATUS_BLOCKED; // another CPU has killed it meanwhile: it makes no more calls
    }
    syscall_limit_reset(cpu_self());
    if (number >= SYSCALL_COUNT) {
        return ERR_NOT_SUPPORTED;
    }
    trace(TRACE_SYSTEM_CALL, number, 0);
    return OK;
}

void syscall_limit_reset(struct cpu *cpu) {
    cpu->arch.call_limit = trace_area.events != 0 ? 0 : SYSCALL_COUNT;
}

// What is not there yet comes, if that needs no pager: system calls do not wait for one.

status_t syscall_copy_in(struct thread *thread, void *to, uaddr_t from, size_t size) {
    const struct vmspace *space = thread->process->space;
    if (!vmspace_covers(space, from, size)) {
        return ERR_BAD_ADDRESS;
    }
    if (arch_copy_in(to, from, size)) {
        return OK;
    }
    TRY(vmspace_touch_range(space, from, size, MAP_READ));
    return arch_copy_in(to, from, size) ? OK : ERR_BAD_ADDRESS;
}

status_t syscall_copy_out(struct thread *thread, uaddr_t to, const void *from, size_t size) {
    const struct vmspace *space = thread->process->space;
    if (!vmspace_covers(space, to, size)) {
        return ERR_BAD_ADDRESS;
    }
    if (arch_copy_out(to, from, size)) {
        return OK;
    }
    TRY(vmspace_touch_range(space, to, size, MAP_WRITE));
    return arch_copy_out(to, from, size) ? OK : ERR_BAD_ADDRESS;
}
