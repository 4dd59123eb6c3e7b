// System calls: from the registers to the functions and back.
#include "syscall.h"

#include "scheduler.h"
#include "trace.h"
#include "vmspace.h"

#include <syscall_table.h>

void syscall_execute(struct thread *thread) {
    uint64_t number = arch_system_call_number(&thread->arch);
    if (number >= SYSCALL_COUNT) {
        arch_set_result(&thread->arch, ERR_NOT_SUPPORTED, 0);
        return;
    }
    uint64_t args[6];
    for (unsigned i = 0; i < 6; i++) {
        args[i] = arch_argument(&thread->arch, i);
    }
    uint64_t value = 0;
    status_t status = syscall_table[number].invoke(thread, args, &value);
    if (status != STATUS_BLOCKED) {
        arch_set_result(&thread->arch, status, status == OK ? value : 0);
    }
}

// A thread that another CPU has killed meanwhile makes no more calls.
[[noreturn]] void kernel_on_system_call(void) {
    struct thread *thread = cpu_self()->arch.current;
    if (thread->state == THREAD_RUNNING) {
        thread->process->system_calls++;
        trace(TRACE_SYSTEM_CALL, arch_system_call_number(&thread->arch), 0);
        syscall_execute(thread);
    }
    scheduler_leave_kernel();
}

status_t syscall_copy_in(struct thread *thread, void *to, uaddr_t from, size_t size) {
    return vmspace_covers(thread->process->space, from, size) && arch_copy_in(to, from, size) ? OK : ERR_BAD_ADDRESS;
}

status_t syscall_copy_out(struct thread *thread, uaddr_t to, const void *from, size_t size) {
    return vmspace_covers(thread->process->space, to, size) && arch_copy_out(to, from, size) ? OK : ERR_BAD_ADDRESS;
}
