// Text that is put together in a buffer of fixed size.
#pragma once

#include <starina/component.h>

struct text {
    char *start;
    size_t size, length;
    bool is_cut; // something did not fit: nothing is added any more
};

[[gnu::format(printf, 2, 3)]] void text_add(struct text *text, const char *format, ...);

// What every response is made of, without the price of a format.
void text_add_bytes(struct text *text, bytes_t bytes);
void text_add_string(struct text *text, const char *string);
void text_add_u64(struct text *text, uint64_t value);
void text_add_digits(struct text *text, uint64_t value, unsigned base, unsigned count); // so many, with leading zeroes

void text_terminate(struct text *text); // with a NUL, which does not count

static inline bytes_t text_bytes(const struct text *text) {
    return (bytes_t) {(const uint8_t *) text->start, text->length};
}
