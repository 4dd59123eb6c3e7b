// A CPU's own tables and protection bits, and what it can do.
#include "x86_64.h"

#include "../../cpu.h"

struct cpu_features cpu_features;
bool cpu_has_smap;

void cpu_detect(void) {
    struct cpuid basic = cpuid(1, 0), extended = {};
    if (cpuid(0, 0).eax >= 7) {
        extended = cpuid(7, 0);
    }
    bool has_xsave = (basic.ecx & 1 << 26) != 0;
    cpu_features = (struct cpu_features) {
        .has_xsave = has_xsave,
        .has_xsaveopt = has_xsave && (cpuid(0xd, 1).eax & 1) != 0,
        .has_rdrand = (basic.ecx & 1 << 30) != 0,
        .has_rdseed = (extended.ebx & 1 << 18) != 0,
        .has_smep = (extended.ebx & 1 << 7) != 0,
        .has_umip = (extended.ecx & 1 << 2) != 0,
    };
    cpu_has_smap = (extended.ebx & 1 << 20) != 0;
}

// --- Segments, and the stacks of interrupts ---

struct [[gnu::packed]] task_state {
    uint32_t reserved0;
    uint64_t stacks[3];
    uint64_t reserved1;
    uint64_t interrupt_stacks[7];
    uint64_t reserved2;
    uint16_t reserved3, io_map;
};

struct [[gnu::packed]] table_pointer {
    uint16_t limit;
    uint64_t base;
};

enum { IST_TRAPS = 1, IST_NMI = 2, IST_DOUBLE_FAULT = 3, IST_COUNT = 3, IST_SIZE = 4096 };

static struct cpu_tables {
    uint64_t segments[7];
    struct task_state task;
    alignas(16) uint8_t stacks[IST_COUNT][IST_SIZE];
} tables[CPU_MAX];

static void load_segments(struct cpu_tables *own) {
    uint64_t task = (uint64_t) &own->task;
    own->segments[1] = 0x00af9b000000ffff; // kernel code
    own->segments[2] = 0x00cf93000000ffff; // kernel data
    own->segments[3] = 0x00cff3000000ffff; // user data
    own->segments[4] = 0x00affb000000ffff; // user code
    own->segments[5] = 0x0000890000000000 | (sizeof(own->task) - 1) | (task & 0xffffff) << 16 | (task >> 24 & 0xff) << 56;
    own->segments[6] = task >> 32;
    for (int i = 0; i < IST_COUNT; i++) {
        own->task.interrupt_stacks[i] = (uint64_t) own->stacks[i] + IST_SIZE;
    }
    own->task.io_map = sizeof(own->task);
    struct table_pointer pointer = {.limit = sizeof(own->segments) - 1, .base = (uint64_t) own->segments};
    __asm__ volatile("lgdt %0\n\tltr %w1" ::"m"(pointer), "r"(SELECTOR_TSS) : "memory");
}

// --- Interrupt vectors ---

struct gate {
    uint64_t low, high;
};

static struct gate gates[256];

static void set_gate(unsigned vector, const void *handler, unsigned stack) {
    enum : uint64_t { INTERRUPT_GATE = 0x8e00 };
    uint64_t address = (uint64_t) handler;
    gates[vector] = (struct gate) {
        .low = (address & 0xffff) | (uint64_t) SELECTOR_KERNEL_CODE << 16 | (INTERRUPT_GATE | stack) << 32 |
               (address >> 16 & 0xffff) << 48,
        .high = address >> 32,
    };
}

static void make_gates(void) {
    enum { ENTRY_SIZE = 16, VECTOR_DOUBLE_FAULT = 8 };
    for (unsigned vector = 0; vector < 256; vector++) {
        set_gate(vector, entry_vectors + vector * ENTRY_SIZE, vector == VECTOR_DOUBLE_FAULT ? IST_DOUBLE_FAULT : IST_TRAPS);
    }
    set_gate(VECTOR_NMI, entry_nmi, IST_NMI);
    set_gate(VECTOR_TLB_FLUSH, entry_tlb_flush, IST_TRAPS);
}

static void load_gates(void) {
    if (gates[0].low == 0) {
        make_gates();
    }
    struct table_pointer pointer = {.limit = sizeof(gates) - 1, .base = (uint64_t) gates};
    __asm__ volatile("lidt %0" ::"m"(pointer));
}

// --- Control registers ---

static void set_protection(void) {
    write_cr4(read_cr4() | CR4_FXSAVE | CR4_SIMD_FAULTS | (cpu_features.has_smep ? CR4_SMEP : 0) |
              (cpu_has_smap ? CR4_SMAP : 0) | (cpu_features.has_umip ? CR4_UMIP : 0) |
              (cpu_features.has_xsave ? CR4_XSAVE : 0));
}

static void set_system_call_entry(void) {
    enum : uint64_t { CLEARED_FLAGS = 0x47700 };       // alignment check, nested task, direction, interrupts, single step
    uint64_t user_base = (SELECTOR_USER_DATA - 8) | 3; // sysret adds 8 for the stack and 16 for the code
    write_msr(MSR_STAR, user_base << 48 | (uint64_t) SELECTOR_KERNEL_CODE << 32);
    write_msr(MSR_LSTAR, (uint64_t) entry_syscall);
    write_msr(MSR_FMASK, CLEARED_FLAGS);
}

void cpu_init(uint32_t index) {
    struct arch_cpu *cpu = &cpus[index].arch;
    cpu->self = cpu;
    cpu->index = index;
    cpu->direct_word = (int32_t) (index + 1) << ARCH_DIRECT_WORD_SHIFT;
    cpu->kernel_stack_top = (uint64_t) arch_kernel_stacks[index] + KERNEL_STACK_SIZE;
    load_segments(&tables[index]);
    load_gates();
    write_msr(MSR_GS_BASE, (uint64_t) cpu);
    write_msr(MSR_KERNEL_GS_BASE, 0);
    set_protection();
    set_system_call_entry();
    fpu_init();
}

struct cpu *arch_cpu(void) {
    struct cpu *cpu;
    __asm__("movq %%gs:0, %0" : "=r"(cpu));
    return cpu;
}
