// Text that is put together in a buffer of fixed size.
#pragma once

#include <starina/component.h>

struct text {
    char *start;
    size_t size, length;
    bool is_cut; // something did not fit: nothing is added any more
};

[[gnu::format(printf, 2, 3)]] void text_add(struct text *text, const char *format, ...);
void text_add_bytes(struct text *text, bytes_t bytes);

static inline bytes_t text_bytes(const struct text *text) {
    return (bytes_t) {(const uint8_t *) text->start, text->length};
}
