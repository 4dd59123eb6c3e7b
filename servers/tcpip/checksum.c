// The Internet checksum (RFC 1071), eight bytes at a time.
#include <stddef.h>
#include <stdint.h>

#include "checksum.h"

static uint64_t load(const uint8_t *at) {
    uint64_t word;
    __builtin_memcpy(&word, at, sizeof(word));
    return word;
}

// Adds a word with its carry coming back in at the low end. The compiler makes an add and an add-with-carry of it.
static uint64_t add(uint64_t sum, uint64_t word) {
    uint64_t result;
    bool carry = __builtin_add_overflow(sum, word, &result);
    return result + carry;
}

static uint16_t fold(uint64_t sum) {
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t) ((sum & 0xffff) + (sum >> 16));
}

enum : size_t { BLOCK = 64 };

uint16_t checksum_add(const void *data, int size) {
    const uint8_t *at = data;
    size_t left = (size_t) size;
    uint64_t sum = 0;
    for (; left >= BLOCK; left -= BLOCK, at += BLOCK) {
        unsigned long long carry = 0;
        for (size_t i = 0; i < BLOCK; i += 8) {
            sum = __builtin_addcll(sum, load(at + i), carry, &carry);
        }
        sum += carry; // without another carry: a sum that left one has not all bits set
    }
    for (; left >= 8; left -= 8, at += 8) {
        sum = add(sum, load(at));
    }
    uint64_t tail = 0;
    __builtin_memcpy(&tail, at, left);
    return fold(add(sum, tail));
}
