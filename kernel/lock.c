// The big kernel lock. While a CPU waits it answers TLB shootdowns, because the holder may be waiting for that.
#include "lock.h"

#include "arch.h"

#include <stdatomic.h>

static _Atomic uint32_t next_ticket;
static _Atomic uint32_t now_serving;

void kernel_lock(void) {
    uint32_t ticket = atomic_fetch_add_explicit(&next_ticket, 1, memory_order_relaxed);
    while (atomic_load_explicit(&now_serving, memory_order_acquire) != ticket) {
        arch_spin_poll();
        arch_spin_pause();
    }
}

void kernel_unlock(void) {
    uint32_t serving = atomic_load_explicit(&now_serving, memory_order_relaxed);
    atomic_store_explicit(&now_serving, serving + 1, memory_order_release);
}
