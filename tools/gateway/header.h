// Adds the boot time's header line behind the first line of an HTTP answer, of which nothing else is looked at.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { HEADER_SEARCH_MAX = 256, HEADER_LINE_MAX = 48 };

// The answer's beginning, held back until it is clear whether the line is added. Begins as all zeros.
struct header {
    uint8_t bytes[HEADER_SEARCH_MAX + HEADER_LINE_MAX];
    size_t length;
    size_t sent; // how much of `bytes` is already on its way; nothing is before is_decided
    bool is_decided;
};

// Takes bytes until decided; returns how many. What follows them goes straight to the client, behind `bytes`.
size_t header_take(struct header *header, const uint8_t *data, size_t count, uint64_t boot_us);

void header_finish(struct header *header); // the answer was shorter: it stays as it is
