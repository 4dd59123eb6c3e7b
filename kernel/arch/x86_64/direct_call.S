// channel_call of a component in kernel isolation. If who takes the message waits on a poll with an upcall, and in kernel
// isolation, that is called at once, on its own thread's stack; and if the reply is there when it returns, the caller goes
// on: no thread was switched.
//
// The kernel lock is not held meanwhile, but its word is this CPU's direct_word. Who takes the lock in the meantime, also
// this CPU for an interrupt or the upcall's own system call, finds that, and first makes an ordinary call of it
// (direct_call_settle). Then the upcall just returns from its poll's wait, and its thread replies by a system call.
//
// Everything unusual is left to the ordinary way, before anything is changed but what lies in the buffer of who waits. Messages
// have up to 64 bytes, copied in one size or the other, and no handles.
//
// A component's stack is touched with interrupts on only: if that faults, it is the component's fault.
#include "offsets.h"

#define DIRECT_MAX 64

// Length and number of handles: the latter are too many to be a length.
#define HEADER_COUNTS 12

// A half of the longest message's data, the first (0) or the second (1), from one buffer to the other.
.macro COPY_HALF half from at to into
    movups \at + DIRECT_MAX / 2 * \half(\from), %xmm0
    movups \at + DIRECT_MAX / 2 * \half + 16(\from), %xmm1
    movups %xmm0, \into + DIRECT_MAX / 2 * \half(\to)
    movups %xmm1, \into + DIRECT_MAX / 2 * \half + 16(\to)
.endm

// Counts the system call and calls a function of the ordinary way for it.
.macro ORDINARY function
    incq THREAD_SYSTEM_CALLS(%rbx)
    movq %gs:CPU_KERNEL_STACK_TOP, %rsp
    movq %rbx, %r9
    call \function
    jmp return_from_kernel_call
.endm

    .text

    .balign 16
    .globl entry_kernel_channel_call
entry_kernel_channel_call: // r12: handle, r13: deadline
    cli
    movq %gs:CPU_CURRENT, %rbx
    movq %rsp, THREAD_RSP(%rbx)
    movq %rbp, THREAD_RBP(%rbx)
    lock decl kernel_lock_word(%rip)
    jnz wait
1:  cmpq $0, %gs:CPU_CALL_LIMIT
    je checked
    movq THREAD_PROCESS(%rbx), %rax
    cmpq %r12, PROCESS_CALLED(%rax)
    jne general
    movq PROCESS_CALLED_OBJECT(%rax), %rdx
    cmpq $0, CHANNEL_CALLER(%rdx)
    jne general
    movq CHANNEL_CALLED(%rdx), %r11
    movq POLL_WAITERS(%r11), %r14
    testq %r14, %r14
    jz ordinary
    movzbl THREAD_LEVEL(%r14), %eax
    cmpb THREAD_LEVEL(%rbx), %al
    jb ordinary // what is ready could be more important than it
    cmpq %gs:CPU_ARMED, %r13 // else it could pass without an interrupt, of which it will be heeded
    jb ordinary
    stmxcsr %gs:CPU_CONTROL_WORDS
    fnstcw %gs:CPU_CONTROL_WORDS + 2
    movl %gs:CPU_CONTROL_WORDS, %ecx
    xorl $CONTROL_WORDS_INITIAL, %ecx
    shrl $MXCSR_STATUS_BITS, %ecx
    jnz ordinary
    movq THREAD_BUFFER(%rbx), %r15
    movq THREAD_BUFFER(%r14), %r12
    // rbx: the caller, r15: its buffer, r14: the called, r12: its buffer, rdx: the channel, r11: the poll
    movups BUFFER_OUT(%r15), %xmm0
    movups %xmm0, BUFFER_IN(%r12)
    movl BUFFER_IN + HEADER_COUNTS(%r12), %ecx // of the copy: it is the one that counts
    cmpl $DIRECT_MAX / 2, %ecx
    ja long_message
2:  COPY_HALF 0 %r15 BUFFER_OUT_DATA %r12 BUFFER_IN_DATA
    addq %rcx, THREAD_COPIED(%rbx)
    andl $~MESSAGE_CLASS_BITS, BUFFER_IN(%r12) // MESSAGE_CALL
    movl CHANNEL_TRANSACTION(%rdx), %eax
    movl %eax, BUFFER_IN + 4(%r12)
    movq CHANNEL_CALLED_KEY(%rdx), %rdi
    movq POLL_UPCALL(%r11), %r11
    movq %r13, %gs:CPU_DIRECT_DEADLINE
    movq %rbx, %gs:CPU_DIRECT_CALLER
    movq %r14, %gs:CPU_CURRENT
    rdtsc
    movl %eax, %gs:CPU_DIRECT_BEGIN
    movq THREAD_RSP(%r14), %rsp
    movq THREAD_RBP(%r14), %rcx
    movl %gs:CPU_DIRECT_WORD, %eax
    movl %eax, kernel_lock_word(%rip)
    sti
    pushq %rcx
    callq *%r11

    // A function of C has kept rbx, rbp, r12, r14 and r15, whichever CPU this is now.
    cli
    testb %al, %al
    jz not_answered
    movl %gs:CPU_DIRECT_WORD, %eax
    xorl %ecx, %ecx
    lock cmpxchgl %ecx, kernel_lock_word(%rip)
    jne rest_no_longer
    movups BUFFER_OUT(%r12), %xmm0
    movups %xmm0, BUFFER_REPLY(%r15)
    movl BUFFER_REPLY + HEADER_COUNTS(%r15), %ecx
    cmpl $DIRECT_MAX / 2, %ecx
    ja long_reply
3:  COPY_HALF 0 %r12 BUFFER_OUT_DATA %r15 BUFFER_REPLY_DATA
    addq %rcx, THREAD_COPIED(%r14)
    incq THREAD_UPCALLS(%r14)
    incq THREAD_DIRECT_CALLS(%rbx)
    rdtsc
    subl %gs:CPU_DIRECT_BEGIN, %eax
    addq %rax, THREAD_TICKS(%r14)
    subq %rax, THREAD_TICKS(%rbx)
    movq %rbx, %gs:CPU_CURRENT
    movq THREAD_RSP(%rbx), %rsp
    movl $LOCK_FREE, kernel_lock_word(%rip)
    sti
    xorl %eax, %eax // interrupts come after it: an emulator that goes on from here in one jump would not look for them
    ret

// The upcall's thread goes on from where it waited. If nobody has settled the call, nor is about to, that is done now: while it
// is under way, no other code of this thread may run than the upcall.
not_answered:
    movl %gs:CPU_DIRECT_WORD, %eax
    xorl %ecx, %ecx
    lock cmpxchgl %ecx, kernel_lock_word(%rip)
    jne rest_no_longer
not_direct:
    movq %rsp, %r13
    movq %gs:CPU_KERNEL_STACK_TOP, %rsp
    movq %gs:CPU_SELF, %rdi
    call direct_call_settle
    movq %r13, %rsp
    movl $LOCK_FREE, kernel_lock_word(%rip)
rest_no_longer:
    movl $EVENT_OF_UPCALL, BUFFER_EVENT_KIND(%r12)
    sti
    popq %rbp
    xorl %eax, %eax
    ret

long_message:
    cmpl $DIRECT_MAX, %ecx
    ja ordinary_again
    COPY_HALF 1 %r15 BUFFER_OUT_DATA %r12 BUFFER_IN_DATA
    jmp 2b

long_reply:
    cmpl $DIRECT_MAX, %ecx
    ja not_direct
    COPY_HALF 1 %r12 BUFFER_OUT_DATA %r15 BUFFER_REPLY_DATA
    jmp 3b

// --- The ordinary way ---

ordinary_again:
    movq THREAD_PROCESS(%rbx), %rax
    movq PROCESS_CALLED(%rax), %r12
ordinary: // rdx: the channel, in which no thread calls
    ORDINARY fast_channel_call_through

general:
    ORDINARY fast_channel_call

wait:
    movq %gs:CPU_KERNEL_STACK_TOP, %rsp
    call wait_for_lock
    cmpb $0, %gs:CPU_MUST_SCHEDULE
    je 1b
    cmpq $0, %gs:CPU_CALL_LIMIT // settling another call left something to be done on the way out
    jne general

checked:
    movl $CALL_CHANNEL_CALL, %eax
    ORDINARY call_checked
