// The big kernel lock. While a CPU waits it answers TLB shootdowns, because the holder may be waiting for that.
//
// Whoever is there first gets it: a queue would hand it to virtual CPUs that the host is not running
// (docs/decisions/unfair-lock.md).
#include "lock.h"

#include "arch.h"

#include <stdatomic.h>

static _Atomic bool is_taken;

void kernel_lock(void) {
    while (atomic_exchange_explicit(&is_taken, true, memory_order_acquire)) {
        while (atomic_load_explicit(&is_taken, memory_order_relaxed)) {
            arch_spin_poll();
            arch_spin_pause();
        }
    }
}

void kernel_unlock(void) {
    atomic_store_explicit(&is_taken, false, memory_order_release);
}
