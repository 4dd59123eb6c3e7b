// Interrupts and faults, once their registers are saved; threads' registers.
#include "x86_64.h"

#include "../../cpu.h"
#include "../../lock.h"
#include "../../thread.h"

#include <starina/process.h>
#include <starina/syscall_numbers.h>

enum : unsigned { VECTOR_FAULT_LAST = 31 };

static const char *const fault_names[] = {
    [0] = "division by zero",
    [1] = "debug trap",
    [3] = "breakpoint",
    [4] = "overflow",
    [5] = "bound range",
    [6] = "illegal instruction",
    [8] = "double fault",
    [10] = "invalid task segment",
    [11] = "segment not present",
    [12] = "stack segment fault",
    [13] = "general protection fault",
    [14] = "page fault",
    [16] = "FPU error",
    [17] = "misaligned access",
    [18] = "machine check",
    [19] = "SIMD error",
    [21] = "control protection fault",
};

enum : uint64_t { FAULT_WRITE = 1 << 1, FAULT_FETCH = 1 << 4 }; // in a page fault's error code

static struct arch_fault fault_of(unsigned vector, uint64_t error_code) {
    bool is_known = vector < sizeof(fault_names) / sizeof(fault_names[0]) && fault_names[vector] != nullptr;
    return (struct arch_fault) {
        .vector = vector,
        .error_code = error_code,
        .address = read_cr2(),
        .access =
            MAP_READ | ((error_code & FAULT_WRITE) != 0 ? MAP_WRITE : 0) | ((error_code & FAULT_FETCH) != 0 ? MAP_EXECUTE : 0),
        .is_page_fault = vector == VECTOR_PAGE_FAULT,
        .name = is_known ? fault_names[vector] : "unknown exception",
    };
}

[[noreturn]] static void on_exception(unsigned vector, uint64_t error_code) {
    struct arch_fault fault = fault_of(vector, error_code); // before another fault can change the address
    struct thread *thread = arch_cpu()->arch.current;
    if (thread == nullptr) {
        panic("%s in the idle loop", fault.name);
    }
    kernel_lock();
    kernel_on_fault(&fault);
}

[[noreturn]] void arch_on_trap(unsigned vector, uint64_t error_code) {
    if (vector <= VECTOR_FAULT_LAST) {
        on_exception(vector, error_code);
    }
    if (vector == VECTOR_TIMER || vector == VECTOR_RESCHEDULE) {
        arch_interrupt_end(); // may leave the virtual machine: not while others wait for the lock
    }
    kernel_lock();
    switch (vector) {
    case VECTOR_TIMER:
        kernel_on_timer();
    case VECTOR_RESCHEDULE:
    case VECTOR_SPURIOUS:
        kernel_on_reschedule();
    default:
        kernel_on_interrupt(vector);
    }
}

static vaddr_t own_fault_frame; // where the backtrace of the kernel's own fault begins

[[noreturn]] void arch_on_own_fault(unsigned vector, uint64_t error_code, vaddr_t pc, vaddr_t frame) {
    own_fault_frame = frame;
    struct arch_fault fault = fault_of(vector, error_code);
    panic("%s (error %lx) at 0x%lx, pc kernel+0x%lx", fault.name, error_code, fault.address, pc);
}

// --- Threads ---

void arch_thread_init(struct arch_thread *thread, bool is_user, vaddr_t entry, vaddr_t stack_top, uint64_t argument0,
                      uint64_t argument1) {
    *thread = (struct arch_thread) {
        .rip = entry,
        .rsp = stack_top - sizeof(uint64_t), // as after a call: functions expect it so
        .rdi = argument0,
        .rsi = argument1,
        .rflags = FLAG_INTERRUPTS | 2,
        .cs = is_user ? SELECTOR_USER_CODE : SELECTOR_KERNEL_CODE,
        .ss = is_user ? SELECTOR_USER_DATA : SELECTOR_KERNEL_DATA,
        .resume_full = 1,
        .fpu_area = thread->fpu_area,
        .has_modes = thread->has_modes,
    };
}

// In kernel isolation it goes on by returning; its call is one that keeps no other registers (entry.S). Interrupts come after
// the instruction behind sti, which must not be the jump: emulators go on from there without looking for them.
[[noreturn, gnu::always_inline]] void arch_end_call(struct arch_thread *thread, bool is_user) {
    kernel_unlock();
    if (is_user) {
        leave_to_user_call(thread);
    }
    __asm__ volatile("movq %c[rsp](%0), %%rsp\n\tmovq %c[rbp](%0), %%rbp\n\tsti\n\txorl %%eax, %%eax\n\tret" ::"r"(thread),
                     [rsp] "i"(THREAD_RSP), [rbp] "i"(THREAD_RBP)
                     : "memory");
    __builtin_unreachable();
}

[[noreturn, gnu::always_inline]] void arch_resume(struct arch_thread *thread) {
    kernel_unlock();
    leave_to_thread(thread);
}

[[noreturn]] void arch_idle(void) {
    kernel_unlock();
    leave_to_idle();
}

vaddr_t arch_kernel_call(unsigned number) {
    switch (number) {
    case SYS_CHANNEL_CALL:
        return (vaddr_t) entry_kernel_channel_call;
    case SYS_CHANNEL_REPLY_WAIT:
        return (vaddr_t) entry_kernel_channel_reply_wait;
    case SYS_POLL_WAIT:
        return (vaddr_t) entry_kernel_poll_wait;
    default:
        return (vaddr_t) kernel_stubs + number * ARCH_STUB_SIZE;
    }
}

// --- Memory of components ---

bool arch_copy_in(void *destination, uaddr_t source, size_t size) {
    return copy_checked(destination, (const void *) source, size);
}

bool arch_copy_out(uaddr_t destination, const void *source, size_t size) {
    return copy_checked((void *) destination, source, size);
}

// --- Backtraces ---

void arch_backtrace(void (*emit)(vaddr_t pc), vaddr_t frame, vaddr_t low, vaddr_t high) {
    for (int depth = 0; depth < 32 && frame >= low && frame % 8 == 0 && high - frame >= 16; depth++) {
        uint64_t saved[2]; // the caller's frame pointer, the return address
        if (frame >= high || !arch_copy_in(saved, frame, sizeof(saved)) || saved[1] == 0) {
            return;
        }
        emit(saved[1]);
        if (saved[0] <= frame) {
            return;
        }
        frame = saved[0];
    }
}

void arch_backtrace_self(void (*emit)(vaddr_t pc)) {
    vaddr_t frame = own_fault_frame != 0 ? own_fault_frame : (vaddr_t) __builtin_frame_address(0);
    arch_backtrace(emit, frame, frame, frame + KERNEL_STACK_SIZE);
}
