// The one place where isolation modes differ: what an address space is, how its pages are mapped, and how a component
// reaches the kernel. All else in the kernel treats every component alike.
#pragma once

#include "arch.h"

#include <starina/process.h>

struct vmspace;

struct isolation {
    enum isolation_mode mode;
    bool is_user;       // runs in the CPU's unprivileged mode
    uint32_t map_flags; // on every mapping

    // Sets the space's tables and range. ERR_NO_MEMORY
    status_t (*space_create)(struct vmspace *space);

    // Frees what space_create and the mappings took; no CPU uses the space any more.
    void (*space_destroy)(struct vmspace *space);

    // Where a component finds its table of system calls.
    vaddr_t (*call_table)(void);
};

extern const struct isolation isolation_user, isolation_kernel;

const struct isolation *isolation_of_mode(enum isolation_mode mode); // nullptr: no such mode
