// An architecture for unit tests of the kernel's portable parts on the host, in place of kernel/arch/x86_64's: a physical
// address is the host's own.
#pragma once

enum : vaddr_t { ARCH_USER_BASE = 0x10000, ARCH_USER_END = 0x00007ffffffff000 };
enum : uint64_t { ARCH_PHYSICAL_END = 1ull << 47 };
enum : uint64_t { ARCH_LARGE_PAGE_SIZE = 2 << 20 };
enum : uint32_t { ELF_MACHINE = 62, ELF_RELOCATION_RELATIVE = 8 };
enum { CPU_MAX = 8 };

struct arch_thread {
    uint64_t number, arguments[6], status, value;
};

struct arch_vmspace {
    paddr_t root;
};

struct arch_cpu {
    struct thread *current;
    uint64_t call_limit;
    bool must_schedule;
    uint32_t index;
    struct thread *direct_caller;
    uint32_t direct_begin;
    uint64_t direct_deadline;
};

struct arch_fault {
    unsigned vector;
    vaddr_t address;
    bool is_page_fault;
    const char *name;
};

struct cpu *arch_cpu(void);
#define arch_this_cpu arch_cpu()
nsec_t arch_clock_now(void);

static inline void arch_copy(void *destination, const void *source, size_t count) {
    __builtin_memcpy(destination, source, count * sizeof(uint64_t));
}

// Its time-stamp counter counts nanoseconds.
static inline uint64_t arch_ticks(void) {
    return arch_clock_now();
}

static inline bool arch_thread_is_in_call(const struct arch_thread *) {
    return true;
}

static inline struct thread *arch_cpu_current(void) {
    return ((const struct arch_cpu *) arch_cpu())->current;
}

static inline void arch_set_result(struct arch_thread *thread, int64_t status, uint64_t value) {
    thread->status = (uint64_t) status;
    thread->value = value;
}

static inline void *physical_to_kernel(paddr_t physical) {
    return (void *) physical;
}

static inline paddr_t kernel_to_physical(const void *pointer) {
    return (paddr_t) pointer;
}
