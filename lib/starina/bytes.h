// Checked work on byte strings and memory: what components use instead of <string.h>.
#pragma once

#include <starina/types.h>

// Of a string literal, without its NUL.
#define BYTES(literal) ((bytes_t) {(const uint8_t *) ("" literal ""), sizeof(literal) - 1})

// Until the NUL; lent as long as the text is.
static inline bytes_t bytes_from_string(const char *text) {
    return (bytes_t) {(const uint8_t *) text, __builtin_strlen(text)};
}

bool bytes_equal(bytes_t a, bytes_t b);

// The part of `length` bytes that begins at `from`. ERR_INVALID_ARGUMENT if it is not inside.
status_t bytes_slice(bytes_t bytes, size_t from, size_t length, bytes_t *out_slice);

// Copies all of it and tells its length. ERR_TOO_LARGE: nothing was copied.
status_t bytes_store(void *destination, size_t capacity, bytes_t source, size_t *out_length);

// Copies it as a NUL-terminated string. ERR_TOO_LARGE, ERR_MALFORMED if it holds a NUL: nothing was copied.
status_t bytes_to_string(char *destination, size_t capacity, bytes_t source);

// Reads a decimal number that fills all of it. ERR_MALFORMED: not digits, or over 64 bits.
status_t bytes_to_u64(bytes_t bytes, uint64_t *out_value);

// ERR_TOO_LARGE: nothing was copied. The two may overlap.
status_t mem_copy(void *destination, size_t capacity, const void *source, size_t size);
static inline void mem_zero(void *memory, size_t size) {
    if (size != 0) {
        __builtin_memset(memory, 0, size);
    }
}
