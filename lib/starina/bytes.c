// Checked work on byte strings and memory.
#include "bytes.h"

#include <stdckdint.h>

static uint64_t word_at(const uint8_t *bytes) {
    uint64_t word;
    __builtin_memcpy(&word, bytes, sizeof(word));
    return word;
}

// By words wherever they lie, which memcmp does for aligned ones only.
bool bytes_equal(bytes_t a, bytes_t b) {
    if (a.len != b.len) {
        return false;
    }
    size_t at = 0;
    for (; a.len - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        if (word_at(a.ptr + at) != word_at(b.ptr + at)) {
            return false;
        }
    }
    while (at < a.len && a.ptr[at] == b.ptr[at]) {
        at++;
    }
    return at == a.len;
}

status_t bytes_slice(bytes_t bytes, size_t from, size_t length, bytes_t *out_slice) {
    if (from > bytes.len || length > bytes.len - from) {
        return ERR_INVALID_ARGUMENT;
    }
    *out_slice = (bytes_t) {length != 0 ? bytes.ptr + from : bytes.ptr, length};
    return OK;
}

status_t bytes_store(void *destination, size_t capacity, bytes_t source, size_t *out_length) {
    TRY(mem_copy(destination, capacity, source.ptr, source.len));
    *out_length = source.len;
    return OK;
}

status_t bytes_to_string(char *destination, size_t capacity, bytes_t source) {
    if (source.len >= capacity) {
        return ERR_TOO_LARGE;
    }
    if (source.len != 0 && __builtin_memchr(source.ptr, 0, source.len) != nullptr) {
        return ERR_MALFORMED;
    }
    TRY(mem_copy(destination, capacity, source.ptr, source.len));
    destination[source.len] = 0;
    return OK;
}

status_t bytes_to_u64(bytes_t bytes, uint64_t *out_value) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        uint64_t digit = (uint64_t) bytes.ptr[i] - '0';
        if (digit > 9 || ckd_mul(&value, value, 10) || ckd_add(&value, value, digit)) {
            return ERR_MALFORMED;
        }
    }
    if (bytes.len == 0) {
        return ERR_MALFORMED;
    }
    *out_value = value;
    return OK;
}

status_t mem_copy(void *destination, size_t capacity, const void *source, size_t size) {
    if (size > capacity) {
        return ERR_TOO_LARGE;
    }
    uintptr_t to = (uintptr_t) destination, from = (uintptr_t) source;
    bool overlaps = to - from < size || from - to < size;
    if (size != 0 && overlaps) {
        __builtin_memmove(destination, source, size);
    } else if (size != 0) {
        __builtin_memcpy(destination, source, size); // the faster one
    }
    return OK;
}
