// Numbers that assembly and C share. offsets.c checks them.
#pragma once

#define IMAGE_BASE 0xffffffff80000000

#define SELECTOR_KERNEL_CODE 0x08
#define SELECTOR_KERNEL_DATA 0x10
#define SELECTOR_USER_DATA 0x1b
#define SELECTOR_USER_CODE 0x23
#define SELECTOR_TSS 0x28

#define THREAD_RAX 0
#define THREAD_RBX 8
#define THREAD_RCX 16
#define THREAD_RDX 24
#define THREAD_RSI 32
#define THREAD_RDI 40
#define THREAD_RBP 48
#define THREAD_RSP 56
#define THREAD_R8 64
#define THREAD_R9 72
#define THREAD_R10 80
#define THREAD_R11 88
#define THREAD_R12 96
#define THREAD_R13 104
#define THREAD_R14 112
#define THREAD_R15 120
#define THREAD_RIP 128
#define THREAD_RFLAGS 136
#define THREAD_CS 144
#define THREAD_SS 152
#define THREAD_RESUME_FULL 160

#define THREAD_TICKS 192
#define THREAD_SYSTEM_CALLS 200
#define THREAD_COPIED 224
#define THREAD_DIRECT_CALLS 232
#define THREAD_UPCALLS 240
#define THREAD_PROCESS 248
#define THREAD_LEVEL 281
#define THREAD_BUFFER 464
#define PROCESS_CALLED 120
#define PROCESS_CALLED_OBJECT 128
#define CHANNEL_CALLED 160
#define CHANNEL_CALLED_KEY 168
#define CHANNEL_CALLER 176
#define CHANNEL_TRANSACTION 192
#define POLL_WAITERS 56
#define POLL_UPCALL 64
#define BUFFER_EVENT_KIND 8
#define BUFFER_OUT 32
#define BUFFER_OUT_DATA 64
#define BUFFER_IN 1088
#define BUFFER_IN_DATA 1120
#define BUFFER_REPLY 2144
#define BUFFER_REPLY_DATA 2176
#define MESSAGE_CLASS_BITS 3
#define EVENT_OF_UPCALL 9

#define CPU_SELF 0
#define CPU_CURRENT 8
#define CPU_KERNEL_STACK_TOP 16
#define CPU_CALL_LIMIT 24
#define CPU_MUST_SCHEDULE 32
#define CPU_TLB_REQUESTED 36
#define CPU_TLB_ANSWERED 40

#define CPU_CONTROL_WORDS 56
#define CPU_DIRECT_CALLER 80
#define CPU_DIRECT_BEGIN 88
#define CPU_DIRECT_WORD 92
#define CPU_DIRECT_DEADLINE 96
#define CPU_ARMED 1224

#define LOCK_FREE 1 // kernel_lock_word

// MXCSR in the low half, whose lowest bits are no mode but tell what has happened, the x87's above.
#define CONTROL_WORDS_INITIAL 0x37f1f80
#define MXCSR_STATUS_BITS 6

#define CALL_CHANNEL_CALL 4
#define CALL_POLL_WAIT 8
#define CALL_CHANNEL_REPLY_WAIT 36

#define FLAG_INTERRUPTS 0x200
#define VECTOR_PAGE_FAULT 14

// Vectors of our own; devices have those from VECTOR_DEVICE_FIRST up to VECTOR_TIMER.
#define VECTOR_NMI 2
#define VECTOR_DEVICE_FIRST 0x30
#define VECTOR_TIMER 0xf0
#define VECTOR_RESCHEDULE 0xf1
#define VECTOR_TLB_FLUSH 0xf2
#define VECTOR_SPURIOUS 0xff

#define LAPIC_EOI 0xb0

// Where the start code of further CPUs is copied to: below 1 MiB, which nothing else uses.
#define TRAMPOLINE_AT 0x8000
