// Every way into the kernel and out of it.
//
// The kernel runs with interrupts off on its CPU's one stack and never returns into C code that it left: an entry saves
// the registers in the current thread, takes the lock and calls a function that ends in arch_resume or arch_idle.
// Interrupts and faults arrive on a small stack of their own (IST), because a component in kernel isolation may have
// overrun its stack. A fault of the kernel itself (interrupts off, address in the image) is either in the copy of user
// memory, which is told, or the end.
#include "offsets.h"

    .text

// --- System calls ---
//
// The arguments are where C expects them, the number is in eax, the thread in r9. The function runs on the CPU's stack and
// answers in rax and rdx. It leaves callee-saved registers as they were, so they are saved only if the CPU goes on with
// another thread. Where the thread goes on is noted in it at once.
//
// Calls that mostly switch keep no register but rsp and rbp: clang's convention preserve_none, on both sides.

// Takes the lock and calls. To 2: another CPU has the lock. To 3: something else is to be done first, or a wrong number.
.macro CALL_KERNEL
    lock decl kernel_lock_word(%rip)
    jnz 2f
1:  cmpq %gs:CPU_CALL_LIMIT, %rax
    jae 3f
    callq *syscall_functions(, %rax, 8)
4:  cmpb $0, %gs:CPU_MUST_SCHEDULE
.endm

.macro CALL_KERNEL_ASIDE
2:  call wait_for_lock
    jmp 1b
3:  call call_checked
    jmp 4b
.endm

// From user mode.
    .globl entry_syscall
entry_syscall:
    swapgs
    movq %gs:CPU_CURRENT, %r9
    movq %rsp, THREAD_RSP(%r9)
    movq %rcx, THREAD_RIP(%r9)
    movq %r11, THREAD_RFLAGS(%r9)
    incq THREAD_SYSTEM_CALLS(%r9)
    movq %gs:CPU_KERNEL_STACK_TOP, %rsp
    movq %r10, %rcx
    CALL_KERNEL
    jne leave_thread
    movl $LOCK_FREE, kernel_lock_word(%rip)
    xorl %edi, %edi // nothing of the kernel's
    xorl %esi, %esi
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r10d, %r10d
    movq %gs:CPU_CURRENT, %rcx
    movq THREAD_RFLAGS(%rcx), %r11
    movq THREAD_RSP(%rcx), %rsp
    movq THREAD_RIP(%rcx), %rcx
    swapgs
    sysretq
    CALL_KERNEL_ASIDE

leave_thread:
    movq %gs:CPU_CURRENT, %rdi
    movq %rax, THREAD_RAX(%rdi)
    movq %rdx, THREAD_RDX(%rdi)
    movq %rbx, THREAD_RBX(%rdi)
    movq %rbp, THREAD_RBP(%rdi)
    movq %r12, THREAD_R12(%rdi)
    movq %r13, THREAD_R13(%rdi)
    movq %r14, THREAD_R14(%rdi)
    movq %r15, THREAD_R15(%rdi)
    xorl %ebp, %ebp
    call scheduler_leave_kernel

// From a component in kernel isolation, which called: its caller-saved registers are dead, and it goes on by returning.
    .balign 16
entry_kernel_call:
    cli
    movq %gs:CPU_CURRENT, %r9
    movq %rsp, THREAD_RSP(%r9)
    incq THREAD_SYSTEM_CALLS(%r9)
    movq %gs:CPU_KERNEL_STACK_TOP, %rsp
    CALL_KERNEL
    jne leave_thread
    movl $LOCK_FREE, kernel_lock_word(%rip)
    movq %gs:CPU_CURRENT, %rcx
    movq THREAD_RSP(%rcx), %rsp
    sti
    nop // interrupts come after it: an emulator that goes on from here in one jump would not look for them
    ret
    CALL_KERNEL_ASIDE

// Functions of the system calls that may switch at once. The arguments are in r12, r13 and r14. fast_* comes back only if it
// has not switched. (The stack is 8 bytes off its alignment then, which nothing in the kernel needs: it has no aligned
// vectors on it.)
.macro ENTER_SWITCHING way name
    .globl enter_\way\name
enter_\way\name:
    movq %rbp, THREAD_RBP(%r9)
    call \way\name
    xorl %ebx, %ebx // nothing of the kernel's
    xorl %r12d, %r12d
    xorl %r13d, %r13d
    xorl %r14d, %r14d
    xorl %r15d, %r15d
    ret
.endm

// The same, and what is around it, for components in kernel isolation.
.macro SWITCHING name number
ENTER_SWITCHING fast_ \name
ENTER_SWITCHING checked_ \name
    .balign 16
    .globl entry_kernel_\name
entry_kernel_\name:
    cli
    movq %gs:CPU_CURRENT, %r9
    movq %rsp, THREAD_RSP(%r9)
    movq %rbp, THREAD_RBP(%r9)
    incq THREAD_SYSTEM_CALLS(%r9)
    movq %gs:CPU_KERNEL_STACK_TOP, %rsp
    lock decl kernel_lock_word(%rip)
    jnz 2f
1:  cmpq $0, %gs:CPU_CALL_LIMIT
    je 3f
    call fast_\name
    jmp return_from_kernel_call
2:  call wait_for_lock
    jmp 1b
3:  movl $\number, %eax
    call call_checked
    jmp return_from_kernel_call
.endm

// direct_call.S has the way in.
ENTER_SWITCHING fast_ channel_call
ENTER_SWITCHING checked_ channel_call
SWITCHING channel_reply_wait CALL_CHANNEL_REPLY_WAIT
SWITCHING poll_wait CALL_POLL_WAIT

    .globl return_from_kernel_call
return_from_kernel_call:
    cmpb $0, %gs:CPU_MUST_SCHEDULE
    jne leave_thread
    movl $LOCK_FREE, kernel_lock_word(%rip)
    movq %gs:CPU_CURRENT, %rcx
    movq THREAD_RSP(%rcx), %rsp
    sti
    nop // interrupts come after it: an emulator that goes on from here in one jump would not look for them
    ret

.macro PUSH_CALL
    pushq %rax
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %rcx
    pushq %r8
    pushq %r9
.endm

.macro POP_CALL
    popq %r9
    popq %r8
    popq %rcx
    popq %rdx
    popq %rsi
    popq %rdi
    popq %rax
.endm

    .globl wait_for_lock
wait_for_lock:
    PUSH_CALL
    call kernel_lock
    POP_CALL
    ret

    .globl call_checked
call_checked:
    PUSH_CALL
    movq %rax, %rdi
    call syscall_check
    movl %eax, %r10d
    POP_CALL
    testl %r10d, %r10d
    jnz 1f
    jmpq *syscall_functions_checked(, %rax, 8)
1:  movslq %r10d, %rax
    xorl %edx, %edx
    ret

// --- Stubs that components call: 16 bytes each ---

    .section .text.user_stubs, "ax"
    .balign 4096
    .globl arch_user_stubs
arch_user_stubs:
    .set number, 0
    .rept 64
    .balign 16
    movl $number, %eax
    movq %rcx, %r10
    syscall
    ret
    .set number, number + 1
    .endr
    .balign 4096, 0xcc // whoever maps the page sees nothing else

    .text
    .balign 16
    .globl kernel_stubs
kernel_stubs:
    .set number, 0
    .rept 64
    .balign 16
    movl $number, %eax
    jmp entry_kernel_call
    .set number, number + 1
    .endr

// --- Interrupts and faults ---
//
// Stack: rax, then number, error code, rip, cs, rflags, rsp, ss.

#define FRAME_NUMBER 8
#define FRAME_ERROR 16
#define FRAME_RIP 24
#define FRAME_CS 32
#define FRAME_RFLAGS 40
#define FRAME_RSP 48
#define FRAME_SS 56

    .balign 16
    .globl entry_vectors
entry_vectors:
    .set number, 0
    .rept 256
    .balign 16
    .if number == 8 || (number >= 10 && number <= 14) || number == 17 || number == 21 || number == 29 || number == 30
    .else
    pushq $0 // in place of an error code
    .endif
    pushq $number
    jmp entry_trap
    .set number, number + 1
    .endr

entry_trap:
    pushq %rax
    testb $3, FRAME_CS(%rsp)
    jz from_kernel_mode
    swapgs
save_thread:
    movq %gs:CPU_CURRENT, %rax
    movq %rbx, THREAD_RBX(%rax)
    movq %rcx, THREAD_RCX(%rax)
    movq %rdx, THREAD_RDX(%rax)
    movq %rsi, THREAD_RSI(%rax)
    movq %rdi, THREAD_RDI(%rax)
    movq %rbp, THREAD_RBP(%rax)
    movq %r8, THREAD_R8(%rax)
    movq %r9, THREAD_R9(%rax)
    movq %r10, THREAD_R10(%rax)
    movq %r11, THREAD_R11(%rax)
    movq %r12, THREAD_R12(%rax)
    movq %r13, THREAD_R13(%rax)
    movq %r14, THREAD_R14(%rax)
    movq %r15, THREAD_R15(%rax)
    popq THREAD_RAX(%rax)
    popq %rdi // number
    popq %rsi // error code
    popq THREAD_RIP(%rax)
    popq THREAD_CS(%rax)
    popq THREAD_RFLAGS(%rax)
    popq THREAD_RSP(%rax)
    popq THREAD_SS(%rax)
    movq $1, THREAD_RESUME_FULL(%rax)
enter_trap:
    movq %gs:CPU_KERNEL_STACK_TOP, %rsp
    pushq $2
    popfq // whatever the component had set: direction, alignment check, single step
    movl $SELECTOR_KERNEL_DATA, %eax // as after a system call: with the null selector that the CPU loads, emulators
    movl %eax, %ss                   // translate the kernel once more
    xorl %ebp, %ebp
    call arch_on_trap

from_kernel_mode:
    testq $FLAG_INTERRUPTS, FRAME_RFLAGS(%rsp)
    jnz interruptible
    movq $IMAGE_BASE, %rax
    cmpq %rax, FRAME_RIP(%rsp)
    jb save_thread // a component in kernel isolation that had turned interrupts off
    cmpq $VECTOR_PAGE_FAULT, FRAME_NUMBER(%rsp)
    jne own_fault
    leaq copy_instruction(%rip), %rax
    cmpq %rax, FRAME_RIP(%rsp)
    jne own_fault
    leaq copy_failed(%rip), %rax
    movq %rax, FRAME_RIP(%rsp)
    popq %rax
    addq $16, %rsp
    iretq

interruptible: // a component in kernel isolation, or the idle loop
    cmpq $0, %gs:CPU_CURRENT
    jne save_thread
    movq FRAME_NUMBER(%rsp), %rdi
    movq FRAME_ERROR(%rsp), %rsi
    jmp enter_trap

own_fault:
    movq FRAME_NUMBER(%rsp), %rdi
    movq FRAME_ERROR(%rsp), %rsi
    movq FRAME_RIP(%rsp), %rdx
    movq %rbp, %rcx
    andq $-16, %rsp
    call arch_on_own_fault

// Only panics send it. Anywhere, also before GS is the kernel's.
    .balign 16
    .globl entry_nmi
entry_nmi:
    cmpb $0, arch_is_halting(%rip)
    jne 1f
    iretq
1:  cli
    hlt
    jmp 1b

// Does its work without the lock: the CPU that holds it waits for this.
    .balign 16
    .globl entry_tlb_flush
entry_tlb_flush:
    testb $3, 8(%rsp)
    jz 1f
    swapgs
1:  pushq %rax
    pushq %rcx
    movl %gs:CPU_TLB_REQUESTED, %ecx // before the flush: what is asked for later is not answered by it
    movq %cr3, %rax
    movq %rax, %cr3
    movl %ecx, %gs:CPU_TLB_ANSWERED
    movq lapic_registers(%rip), %rax
    movl $0, LAPIC_EOI(%rax)
    popq %rcx
    popq %rax
    testb $3, 8(%rsp)
    jz 2f
    swapgs
2:  iretq

// --- Out of the kernel ---

// [[noreturn]] void leave_to_thread(struct arch_thread *thread), lock released
    .balign 16
    .globl leave_to_thread
leave_to_thread:
    cmpq $0, THREAD_RESUME_FULL(%rdi)
    movq THREAD_RAX(%rdi), %rax
    movq THREAD_RDX(%rdi), %rdx
    jne leave_full
    cmpb $SELECTOR_USER_CODE, THREAD_CS(%rdi)
    jne leave_kernel_call
    jmp leave_user_call

// [[noreturn]] void leave_to_user_call(struct arch_thread *thread), lock released: its system call ends with OK
    .globl leave_to_user_call
leave_to_user_call:
    xorl %eax, %eax
    xorl %edx, %edx
leave_user_call:
    movq THREAD_RBX(%rdi), %rbx
    movq THREAD_RBP(%rdi), %rbp
    movq THREAD_R12(%rdi), %r12
    movq THREAD_R13(%rdi), %r13
    movq THREAD_R14(%rdi), %r14
    movq THREAD_R15(%rdi), %r15
    movq THREAD_RIP(%rdi), %rcx
    movq THREAD_RFLAGS(%rdi), %r11
    movq THREAD_RSP(%rdi), %rsp
    xorl %edi, %edi // nothing of the kernel's
    xorl %esi, %esi
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r10d, %r10d
    swapgs
    sysretq

leave_kernel_call:
    movq THREAD_RBX(%rdi), %rbx
    movq THREAD_RBP(%rdi), %rbp
    movq THREAD_R12(%rdi), %r12
    movq THREAD_R13(%rdi), %r13
    movq THREAD_R14(%rdi), %r14
    movq THREAD_RSP(%rdi), %rsp
    sti
    movq THREAD_R15(%rdi), %r15 // interrupts come after it
    ret

leave_full:
    movq $0, THREAD_RESUME_FULL(%rdi) // as long as it runs
    movq THREAD_RBX(%rdi), %rbx
    movq THREAD_RBP(%rdi), %rbp
    movq THREAD_R12(%rdi), %r12
    movq THREAD_R13(%rdi), %r13
    movq THREAD_R14(%rdi), %r14
    movq THREAD_R15(%rdi), %r15
    movq %gs:CPU_KERNEL_STACK_TOP, %rsp
    pushq THREAD_SS(%rdi)
    pushq THREAD_RSP(%rdi)
    pushq THREAD_RFLAGS(%rdi)
    pushq THREAD_CS(%rdi)
    pushq THREAD_RIP(%rdi)
    movq THREAD_RCX(%rdi), %rcx
    movq THREAD_RSI(%rdi), %rsi
    movq THREAD_R8(%rdi), %r8
    movq THREAD_R9(%rdi), %r9
    movq THREAD_R10(%rdi), %r10
    movq THREAD_R11(%rdi), %r11
    movq THREAD_RDI(%rdi), %rdi
    testb $3, 8(%rsp)
    jz 1f
    swapgs
1:  iretq

// [[noreturn]] void leave_to_idle(void), lock released
    .balign 16
    .globl leave_to_idle
leave_to_idle:
    movq %gs:CPU_KERNEL_STACK_TOP, %rsp
1:  sti
    hlt
    jmp 1b

// --- Memory of components ---

// bool copy_checked(void *to, const void *from, size_t size): false after a page fault
    .balign 16
    .globl copy_checked
copy_checked:
    movq %rdx, %rcx
    cmpb $0, cpu_has_smap(%rip)
    je copy_instruction
    stac
copy_instruction:
    rep movsb
    movl $1, %eax
copy_done:
    cmpb $0, cpu_has_smap(%rip)
    je 1f
    clac
1:  ret
copy_failed:
    xorl %eax, %eax
    jmp copy_done
