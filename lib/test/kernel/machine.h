// A machine's memory for unit tests of the kernel, which is included by one file of each test.
#pragma once

#include "page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct boot_info boot_info;

// Each test runs in a process of its own: it has failed.
[[noreturn]] void panic(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf(": panic\n");
    fflush(stdout);
    _Exit(1);
}

// Where there are no pagers.
[[gnu::weak]] bool page_reclaim(const struct account *) {
    return false;
}

// Gives the page allocator that much, aligned to its largest blocks. 0xa5 all over: nothing may be taken for zeroed.
static inline void machine_start(size_t size) {
    enum : size_t { ALIGNMENT = PAGE_SIZE << PAGE_ORDER_MAX };
    uint8_t *memory = aligned_alloc(ALIGNMENT, (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1));
    for (size_t i = 0; i < size; i++) {
        memory[i] = 0xa5;
    }
    boot_info = (struct boot_info) {.ram = {{.base = (paddr_t) memory, .size = size}}, .ram_count = 1};
    page_init();
}

// xorshift64: the same numbers in every run.
static inline uint32_t random_below(uint32_t limit) {
    static uint64_t state = 88172645463325252;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t) (state >> 32) % limit;
}

static inline bool is_filled(const void *pointer, uint8_t byte, size_t size) {
    const uint8_t *bytes = pointer;
    return bytes[0] == byte && memcmp(bytes, bytes + 1, size - 1) == 0;
}
