// FPU and vector registers: saved when a thread leaves a CPU, loaded when another one's are there as it goes on.
//
// Not lazily: every component uses these registers to copy structures, so a fault at the first use costs more than it
// saves, and registers that are left behind can be read speculatively (CVE-2018-3665). docs/decisions/eager-fpu.md
#include "x86_64.h"

#include "../../cpu.h"
#include "../../heap.h"
#include "../../thread.h"

enum : uint64_t { STATE_X87 = 1, STATE_SSE = 2, STATE_AVX = 4, STATE_AVX512 = 0xe0 };
enum { LEGACY_SIZE = 512, HEADER_SIZE = 64, CONTROL_AT = 0, MXCSR_AT = 24 };
// All exceptions masked, as the psABI wants it.
enum : uint32_t { MXCSR_INITIAL = CONTROL_WORDS_INITIAL & 0xffff, CONTROL_INITIAL = CONTROL_WORDS_INITIAL >> 16 };

static uint64_t state_mask; // what XSAVE saves; 0: FXSAVE
static uint32_t area_size = LEGACY_SIZE;

// Of XSAVE, with nothing in it: loading it sets everything to its initial state.
static alignas(64) uint8_t initial[LEGACY_SIZE + HEADER_SIZE];

static uint32_t *mxcsr_of(void *area) {
    return (uint32_t *) ((uint8_t *) area + MXCSR_AT);
}

static uint16_t *control_of(void *area) {
    return (uint16_t *) ((uint8_t *) area + CONTROL_AT);
}

static bool has_modes(void *area) {
    return *mxcsr_of(area) >> MXCSR_STATUS_BITS != MXCSR_INITIAL >> MXCSR_STATUS_BITS || *control_of(area) != CONTROL_INITIAL;
}

static void set_state_mask(uint64_t mask) {
    __asm__ volatile("xsetbv" ::"c"(0), "a"((uint32_t) mask), "d"((uint32_t) (mask >> 32)));
}

void fpu_init(void) {
    if (cpu_features.has_xsave) {
        state_mask = cpuid(0xd, 0).eax & (STATE_X87 | STATE_SSE | STATE_AVX | STATE_AVX512);
        set_state_mask(state_mask);
        area_size = cpuid(0xd, 0).ebx; // of what is enabled
        *mxcsr_of(initial) = MXCSR_INITIAL;
    }
}

static void save(void *area) {
    if (cpu_features.has_xsaveopt) {
        __asm__ volatile("xsaveopt64 (%0)" ::"r"(area), "a"((uint32_t) state_mask), "d"(0) : "memory");
    } else if (state_mask != 0) {
        __asm__ volatile("xsave64 (%0)" ::"r"(area), "a"((uint32_t) state_mask), "d"(0) : "memory");
    } else {
        __asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory");
    }
}

static void load(const void *area) {
    if (state_mask != 0) {
        __asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"((uint32_t) state_mask), "d"(0) : "memory");
    } else {
        __asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
    }
}

status_t arch_thread_fpu_allocate(struct arch_thread *thread, struct account *account) {
    uint8_t *area = heap_allocate(area_size, account);
    if (area == nullptr) {
        return ERR_NO_MEMORY;
    }
    thread->has_modes = state_mask == 0;
    *control_of(area) = CONTROL_INITIAL;
    *mxcsr_of(area) = MXCSR_INITIAL;
    thread->fpu_area = area;
    return OK;
}

void arch_thread_free(struct arch_thread *thread, struct account *account) {
    for (uint32_t i = 0; i < machine_info.cpu_count; i++) {
        if (cpus[i].arch.fpu_owner == thread) {
            cpus[i].arch.fpu_owner = nullptr;
        }
    }
    heap_free(thread->fpu_area, area_size, account);
}

// Nothing to load if it was the last one that left this CPU, and left no other one since. In a system call its registers are
// dead and its area is perhaps of long before, when the x87's stack was in use.
void arch_thread_enter(struct arch_thread *thread) {
    struct arch_cpu *cpu = &arch_cpu()->arch;
    if (cpu->fpu_owner != thread || thread->fpu_cpu != cpu) {
        load(arch_thread_is_in_call(thread) && !thread->has_modes ? initial : thread->fpu_area);
    }
}

void arch_thread_leave(struct arch_thread *thread) {
    struct arch_cpu *cpu = &arch_cpu()->arch;
    save(thread->fpu_area);
    thread->has_modes = state_mask == 0 || has_modes(thread->fpu_area);
    cpu->fpu_owner = thread;
    thread->fpu_cpu = cpu;
    if (thread->has_modes) {
        kernel_on_modes(LIST_CONTAINER(thread, struct thread, arch));
    }
}

void arch_thread_leave_in_call(struct arch_thread *thread) {
    if (state_mask == 0) {
        __builtin_memset(thread->fpu_area, 0, LEGACY_SIZE);
    }
    *control_of(thread->fpu_area) = CONTROL_INITIAL;
    *mxcsr_of(thread->fpu_area) = MXCSR_INITIAL;
    thread->has_modes = state_mask == 0;
    thread->fpu_cpu = nullptr;
}

[[clang::preserve_most, gnu::noinline]] static void switch_modes(struct arch_thread *from, struct arch_thread *to) {
    arch_thread_leave(from);
    arch_thread_enter(to);
}

// Control words are not dead, but seldom changed: if both threads' areas and the registers have the initial ones, nothing
// is saved. Then what is left in the registers is kept from the other thread, unless that is of the kernel's kind.
[[gnu::always_inline]] void arch_thread_switch(struct arch_thread *from, struct arch_thread *to, bool is_user) {
    uint32_t *now = &arch_cpu()->arch.control_words;
    __asm__ volatile("stmxcsr %0\n\tfnstcw 2+%0" : "=m"(*now));
    uint64_t unusual = (*now ^ CONTROL_WORDS_INITIAL) >> MXCSR_STATUS_BITS | from->has_modes | to->has_modes;
    if (unusual != 0) {
        switch_modes(from, to);
    } else if (is_user) {
        __asm__ volatile("xrstor64 %0" ::"m"(initial), "a"(-1), "d"(-1));
    }
}
