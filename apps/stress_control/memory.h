// The machine's memory and handles before the SMP stress and after it.
#pragma once

#include <starina/types.h>

struct memory {
    uint64_t free;       // of the machine
    uint64_t components; // charged to them
    uint64_t kernel;     // charged to nobody
    uint32_t handles;    // of all components
};

status_t memory_measure(struct memory *out_memory);
bool memory_check(const struct memory *before, const struct memory *after); // logs both; false: some is gone
