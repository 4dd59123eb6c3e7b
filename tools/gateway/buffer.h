// Bytes on their way: filled from the front, emptied from the front, and filled again once empty.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint8_t *bytes;
    size_t begin;
    size_t end;
};

static inline size_t buffer_length(const struct buffer *buffer) {
    return buffer->end - buffer->begin;
}

static inline void buffer_take(struct buffer *buffer, size_t count) {
    buffer->begin += count;
    if (buffer->begin == buffer->end) {
        buffer->begin = buffer->end = 0;
    }
}
