// The big kernel lock. While a CPU waits it answers TLB shootdowns, because the holder may be waiting for that.
//
// Whoever is there first gets it: a queue would hand it to virtual CPUs that the host is not running
// (docs/decisions/unfair-lock.md). Who has waited for long asks the others to let him go first: their next system calls
// come by kernel_lock_yield.
#include "lock.h"

#include "cpu.h"
#include "direct_call.h"

#include <stdatomic.h>

// System calls take it by themselves (entry.S): who decrements it to TAKEN has it. More than FREE: it is free, and a call is
// under way directly on the CPU whose arch.direct_word it is, or was before others tried to take the lock.
enum : int32_t { TAKEN = 0, FREE = 1 };
_Atomic int32_t kernel_lock_word = FREE;

uint64_t kernel_lock_waits, kernel_lock_spins;

enum : uint64_t { PATIENCE = 2000, YIELD_MAX = 20000 }; // looks at the lock: a millisecond, and ten

static _Atomic uint32_t impatient_cpus;

// Again and again: who returns from the kernel just now takes it back.
static void ask_others(void) {
    for (uint32_t i = 0; i < machine_info.cpu_count; i++) {
        if (&cpus[i] != cpu_self()) {
            *(volatile uint64_t *) &cpus[i].arch.call_limit = 0;
        }
    }
}

static struct cpu *cpu_of_direct_call(int32_t word) {
    return &cpus[(word + (1 << ARCH_DIRECT_WORD_SHIFT) - 1) / (1 << ARCH_DIRECT_WORD_SHIFT) - 1];
}

void kernel_lock(void) {
    uint64_t spins = 0;
    int32_t found;
    while ((found = atomic_exchange_explicit(&kernel_lock_word, TAKEN, memory_order_acquire)) < FREE) {
        while (atomic_load_explicit(&kernel_lock_word, memory_order_relaxed) < FREE) {
            arch_spin_poll();
            arch_spin_pause();
            spins++;
            if (spins == PATIENCE) {
                atomic_fetch_add(&impatient_cpus, 1);
            }
            if (spins % PATIENCE == 0) {
                ask_others();
            }
        }
    }
    if (spins >= PATIENCE) {
        atomic_fetch_sub(&impatient_cpus, 1);
    }
    if (found != FREE) {
        direct_call_settle(cpu_of_direct_call(found));
    }
    if (spins != 0) {
        kernel_lock_waits++;
        kernel_lock_spins += spins;
    }
}

void kernel_unlock(void) {
    atomic_store_explicit(&kernel_lock_word, FREE, memory_order_release);
}

bool kernel_lock_is_wanted(void) {
    return atomic_load_explicit(&impatient_cpus, memory_order_relaxed) != 0;
}

// A function of its own: sx bench scale counts what it takes as waiting.
[[gnu::noinline]] void kernel_lock_yield(void) {
    kernel_unlock();
    for (uint64_t looks = 0; looks < YIELD_MAX && kernel_lock_is_wanted(); looks++) {
        arch_spin_poll();
        arch_spin_pause();
    }
    kernel_lock();
}
