// The Internet checksum (RFC 1071) in steps. Sums of even numbers of bytes can be added in any order.
#pragma once

#include <starina/types.h>

uint64_t checksum_of_bytes(const uint8_t *at, size_t size);
uint64_t checksum_add(uint64_t sum, uint64_t other);
uint64_t checksum_shift(uint64_t sum); // of bytes that begin within a word
uint16_t checksum_fold(uint64_t sum);  // as it goes into a header its complement does

// Of 20 bytes.
static inline uint64_t checksum_of_header(const uint8_t *at) {
    unsigned long long words[2], carry;
    uint32_t rest;
    __builtin_memcpy(words, at, sizeof(words));
    __builtin_memcpy(&rest, at + sizeof(words), sizeof(rest));
    uint64_t sum = __builtin_addcll(words[0], words[1], 0, &carry);
    sum = __builtin_addcll(sum, rest, carry, &carry);
    return sum + carry; // without another carry: a sum that left one has not all bits set
}

// Most of what is summed are IP and TCP headers without options.
static inline uint64_t checksum_of(const uint8_t *at, size_t size) {
    enum : size_t { HEADER_WITHOUT_OPTIONS = 20 };
    return size == HEADER_WITHOUT_OPTIONS ? checksum_of_header(at) : checksum_of_bytes(at, size);
}
