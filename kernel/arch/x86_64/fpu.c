// FPU and vector registers, switched lazily: a component that never uses them costs nothing.
//
// The registers of a thread stay in the CPU after it left, and are saved in memory as well; when it comes back to the
// same CPU and nobody used them since, nothing is loaded. On CPUs where others might read them nevertheless
// (CVE-2018-3665: Intel's) they are wiped instead.
#include "x86_64.h"

#include "../../cpu.h"
#include "../../heap.h"
#include "../../process.h"
#include "../../thread.h"

enum : uint64_t { STATE_X87 = 1, STATE_SSE = 2, STATE_AVX = 4, STATE_AVX512 = 0xe0 };
enum { LEGACY_SIZE = 512, HEADER_SIZE = 64, CONTROL_AT = 0, MXCSR_AT = 24 };

// An area whose header says that nothing is in it: what is loaded from it are the initial values.
static alignas(64) const uint8_t initial_area[LEGACY_SIZE + HEADER_SIZE];
static uint64_t state_mask; // what XSAVE saves; 0: FXSAVE
static uint32_t area_size = LEGACY_SIZE;

static void set_state_mask(uint64_t mask) {
    __asm__ volatile("xsetbv" ::"c"(0), "a"((uint32_t) mask), "d"((uint32_t) (mask >> 32)));
}

void fpu_init(void) {
    if (cpu_features.has_xsave) {
        state_mask = cpuid(0xd, 0).eax & (STATE_X87 | STATE_SSE | STATE_AVX | STATE_AVX512);
        set_state_mask(state_mask);
        area_size = cpuid(0xd, 0).ebx; // of what is enabled
    }
    write_cr0(read_cr0() | CR0_TASK_SWITCHED);
}

static void save(void *area) {
    if (state_mask != 0) {
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
    *(uint16_t *) (area + CONTROL_AT) = 0x37f; // all exceptions masked, as the psABI wants it
    *(uint32_t *) (area + MXCSR_AT) = 0x1f80;
    thread->fpu_area = area;
    return OK;
}

void arch_thread_free(struct arch_thread *thread, struct account *account) {
    for (uint32_t i = 0; i < machine_info.cpu_count; i++) {
        if (cpus[i].arch.fpu_owner == (struct thread *) thread) {
            cpus[i].arch.fpu_owner = nullptr;
        }
    }
    heap_free(thread->fpu_area, area_size, account);
}

static void enable(struct arch_cpu *cpu) {
    __asm__ volatile("clts");
    cpu->fpu_enabled = true;
}

bool fpu_use(struct thread *thread) {
    struct arch_cpu *cpu = &arch_cpu()->arch;
    if (thread->arch.fpu_area == nullptr && arch_thread_fpu_allocate(&thread->arch, thread->process->account) != OK) {
        return false;
    }
    enable(cpu);
    load(thread->arch.fpu_area);
    cpu->fpu_owner = thread;
    thread->arch.fpu_cpu = cpu;
    return true;
}

void fpu_resume(struct thread *thread) {
    struct arch_cpu *cpu = &arch_cpu()->arch;
    if (!cpu->fpu_enabled && cpu->fpu_owner == thread && thread->arch.fpu_cpu == cpu) {
        enable(cpu);
    }
}

void arch_thread_leave(struct thread *thread) {
    struct arch_cpu *cpu = &arch_cpu()->arch;
    if (cpu->fpu_enabled) {
        save(thread->arch.fpu_area);
        if (cpu_features.leaks_fpu) {
            load(initial_area);
            cpu->fpu_owner = nullptr;
        }
        write_cr0(read_cr0() | CR0_TASK_SWITCHED);
        cpu->fpu_enabled = false;
    }
}
