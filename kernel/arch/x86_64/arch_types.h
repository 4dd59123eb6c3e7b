// x86_64: registers, per-CPU state and the address map. Included by kernel/arch.h only.
//
// Address map (all kernel mappings are NX unless said):
//   0x0000000000001000 - 0x00007fffffffffff  user components (ARCH_USER_BASE, ARCH_USER_END)
//   0xffff800000000000 + physical            direct map of RAM, writable
//   0xffffa00000000000 - +4 TiB              kernel-isolated components, one slot of 16 GiB each (PML4 entries made at boot, shared by all)
//   0xffffffff80000000 + physical            the kernel's image: text RX, rodata R, data RW
#pragma once

enum : vaddr_t {
    ARCH_USER_BASE = 0x10000,
    ARCH_USER_END = 0x00007ffffffff000,
    ARCH_DIRECT_MAP = 0xffff800000000000,
    ARCH_SLOTS_BASE = 0xffffa00000000000,
    ARCH_SLOT_SIZE = 16ull << 30,
    ARCH_IMAGE_BASE = 0xffffffff80000000,
};
enum : uint64_t { ARCH_PHYSICAL_END = 1ull << 46 }; // what the direct map has room for
enum : uint64_t { ARCH_LARGE_PAGE_SIZE = 2 << 20 }; // what one entry of a page directory maps
enum : uint32_t { ELF_MACHINE = 62, ELF_RELOCATION_RELATIVE = 8 };
enum { ARCH_STUB_SIZE = 16 };
enum { ARCH_SLOT_COUNT = 256, CPU_MAX = 8, KERNEL_STACK_SIZE = 16384 };

// Saved registers. Offsets are used by entry.S (checked there against asm offsets).
struct arch_thread {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rip, rflags;
    uint64_t cs, ss;          // tell user from kernel isolation
    uint64_t resume_full;     // 1: it was interrupted, all registers matter; 0: it runs, or left by a system call
    void *fpu_area;           // XSAVE area
    struct arch_cpu *fpu_cpu; // that it was the last to leave, if that CPU's fpu_owner agrees: its registers are there
    uint64_t has_modes;       // 1: the control words in its area are not the initial ones
};

struct arch_vmspace {
    paddr_t root; // PML4
};

// First member of struct cpu; GS points at it.
struct arch_cpu {
    struct arch_cpu *self;
    struct thread *current; // mirrors what entry.S needs; struct thread begins with its struct arch_thread
    uint64_t kernel_stack_top;
    uint64_t call_limit; // lowest number that is no system call; 0: syscall_check is to be asked first
    bool must_schedule;  // the system call's end is not the way back to the current thread
    volatile uint32_t tlb_requested, tlb_answered; // flushes: counted by who asks, and which of them this CPU has made
    struct arch_thread *fpu_owner;
    uint32_t control_words; // of the running thread when they were last asked for: MXCSR, and above it the x87's
    paddr_t active_root;
    uint32_t index;
    uint32_t apic_id;
    // A call that is under way directly (direct_call.S). `current` is the thread that was called.
    struct thread *direct_caller;
    uint32_t direct_begin;    // low half of the time-stamp counter
    int32_t direct_word;      // what the kernel lock's word is meanwhile
    uint64_t direct_deadline; // the call's, not before the next interrupt of the timer
};
enum { ARCH_DIRECT_WORD_SHIFT = 16 }; // of this CPU's number, counted from 1

// This CPU's struct cpu, whose fields need no pointer.
#define arch_this_cpu ((struct cpu __attribute__((address_space(256))) *) nullptr)

// The running thread. Not to be asked again in a function that changes it.
static inline struct thread *arch_cpu_current(void) {
    struct thread *current;
    __asm__("movq %%gs:8, %0" : "=r"(current));
    return current;
}

struct arch_fault {
    unsigned vector; // exception number
    uint64_t error_code;
    vaddr_t address; // CR2 of a page fault
    uint32_t access; // enum map_flags: what a page fault was for
    bool is_page_fault;
    const char *name; // "page fault", "division by zero"
};

static inline void arch_fill(void *destination, uint64_t word, size_t count) {
    __asm__ volatile("rep stosq" : "+D"(destination), "+c"(count) : "a"(word) : "memory");
}

static inline void arch_copy(void *destination, const void *source, size_t count) {
    __asm__ volatile("rep movsq" : "+D"(destination), "+S"(source), "+c"(count) : : "memory");
}

// In a system call the vector registers of the running thread are dead, so the kernel may use them before it leaves it.
static inline void arch_copy_16_in_call(void *to, const void *from) {
    struct [[gnu::may_alias]] part {
        uint8_t bytes[16];
    };
    __asm__("movups %1, %%xmm0\n\tmovups %%xmm0, %0" : "=m"(*(struct part *) to) : "m"(*(const struct part *) from));
}

static inline uint64_t arch_ticks(void) {
    uint64_t low, high; // the instruction clears the upper halves
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return high << 32 | low;
}

static inline void arch_spin_pause(void) {
    __asm__ volatile("pause");
}

static inline void *physical_to_kernel(paddr_t physical) {
    return (void *) (physical + ARCH_DIRECT_MAP);
}

static inline paddr_t kernel_to_physical(const void *pointer) {
    return (vaddr_t) pointer - ARCH_DIRECT_MAP;
}

static inline bool arch_thread_is_in_call(const struct arch_thread *thread) {
    return thread->resume_full == 0;
}

static inline vaddr_t arch_thread_pc(const struct arch_thread *thread) {
    return thread->rip;
}

static inline vaddr_t arch_thread_frame(const struct arch_thread *thread) {
    return thread->rbp;
}

static inline void arch_set_result(struct arch_thread *thread, int64_t status, uint64_t value) {
    thread->rax = (uint64_t) status;
    thread->rdx = value;
}
