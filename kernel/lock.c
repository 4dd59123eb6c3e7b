// The big kernel lock. While a CPU waits it answers TLB shootdowns, because the holder may be waiting for that.
//
// Whoever is there first gets it: a queue would hand it to virtual CPUs that the host is not running
// (docs/decisions/unfair-lock.md).
#include "lock.h"

#include "arch.h"

#include <stdatomic.h>

_Atomic uint32_t kernel_lock_word; // 1: taken. System calls take it by themselves (entry.S)

uint64_t kernel_lock_waits, kernel_lock_spins;

void kernel_lock(void) {
    uint64_t spins = 0;
    while (atomic_exchange_explicit(&kernel_lock_word, 1, memory_order_acquire) != 0) {
        while (atomic_load_explicit(&kernel_lock_word, memory_order_relaxed) != 0) {
            arch_spin_poll();
            arch_spin_pause();
            spins++;
        }
    }
    if (spins != 0) {
        kernel_lock_waits++;
        kernel_lock_spins += spins;
    }
}

void kernel_unlock(void) {
    atomic_store_explicit(&kernel_lock_word, 0, memory_order_release);
}
