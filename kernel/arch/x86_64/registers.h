// Privileged instructions and the bits they take.
#pragma once

#include "../../arch.h"

enum : uint32_t {
    MSR_EFER = 0xc0000080,
    MSR_STAR = 0xc0000081,
    MSR_LSTAR = 0xc0000082,
    MSR_FMASK = 0xc0000084,
    MSR_GS_BASE = 0xc0000101,
    MSR_KERNEL_GS_BASE = 0xc0000102
};
enum : uint64_t {
    CR4_FXSAVE = 1 << 9,
    CR4_SIMD_FAULTS = 1 << 10,
    CR4_UMIP = 1 << 11,
    CR4_XSAVE = 1 << 18,
    CR4_SMEP = 1 << 20,
    CR4_SMAP = 1 << 21
};

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf) {
    struct cpuid result;
    __asm__ volatile("cpuid"
                     : "=a"(result.eax), "=b"(result.ebx), "=c"(result.ecx), "=d"(result.edx)
                     : "a"(leaf), "c"(subleaf));
    return result;
}

static inline void write_msr(uint32_t msr, uint64_t value) {
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t) value), "d"((uint32_t) (value >> 32)) : "memory");
}

#define DEFINE_CONTROL_REGISTER(name)                                 \
    static inline uint64_t read_##name(void) {                        \
        uint64_t value;                                               \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(value));        \
        return value;                                                 \
    }                                                                 \
    static inline void write_##name(uint64_t value) {                 \
        __asm__ volatile("mov %0, %%" #name ::"r"(value) : "memory"); \
    }
DEFINE_CONTROL_REGISTER(cr0)
DEFINE_CONTROL_REGISTER(cr2)
DEFINE_CONTROL_REGISTER(cr3)
DEFINE_CONTROL_REGISTER(cr4)

static inline void write_port8(uint16_t port, uint8_t value) {
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static inline void write_port32(uint16_t port, uint32_t value) {
    __asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}

static inline uint8_t read_port8(uint16_t port) {
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
