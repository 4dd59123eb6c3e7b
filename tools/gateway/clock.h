// Time that only goes forward.
#pragma once

#include <stdint.h>
#include <time.h>

enum : uint64_t { NSEC_PER_USEC = 1000, NSEC_PER_MSEC = 1000 * 1000, NSEC_PER_SEC = 1000 * 1000 * 1000 };

static inline uint64_t clock_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * NSEC_PER_SEC + (uint64_t) now.tv_nsec;
}
