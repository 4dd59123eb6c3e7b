// Kernel isolation: the kernel's page tables and privileged mode, a slot of addresses of its own, system calls by call.
#include "isolation.h"

#include "../vmspace.h"

#include <starina/syscall_numbers.h>

static bool slot_is_taken[ARCH_SLOT_COUNT];
static vaddr_t table[SYSCALL_COUNT];

static status_t space_create(struct vmspace *space) {
    unsigned slot = 0;
    while (slot < ARCH_SLOT_COUNT && slot_is_taken[slot]) {
        slot++;
    }
    if (slot == ARCH_SLOT_COUNT) {
        return ERR_NO_MEMORY;
    }
    slot_is_taken[slot] = true;
    space->tables = &arch_kernel_space;
    space->base = ARCH_SLOTS_BASE + slot * ARCH_SLOT_SIZE;
    space->end = space->base + ARCH_SLOT_SIZE;
    return OK;
}

static void space_destroy(struct vmspace *space) {
    arch_clear(space->tables, space->base, space->end, space->account);
    slot_is_taken[(space->base - ARCH_SLOTS_BASE) / ARCH_SLOT_SIZE] = false;
}

static vaddr_t call_table(void) {
    for (unsigned i = 0; i < SYSCALL_COUNT; i++) {
        table[i] = arch_kernel_call(i);
    }
    return (vaddr_t) table;
}

const struct isolation isolation_kernel = {
    .mode = ISOLATION_KERNEL,
    .is_user = false,
    .map_flags = 0,
    .space_create = space_create,
    .space_destroy = space_destroy,
    .call_table = call_table,
};
