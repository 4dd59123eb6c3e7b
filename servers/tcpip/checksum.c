// The Internet checksum (RFC 1071) of memory and of packets, eight bytes at a time: in place of lwIP's inet_chksum.c.
#include <lwip/inet_chksum.h>

#include "checksum.h"

static uint64_t load(const uint8_t *at) {
    uint64_t word;
    __builtin_memcpy(&word, at, sizeof(word));
    return word;
}

// Adds so many words with each carry coming back in at the low end: one instruction a word.
static inline uint64_t add_words(uint64_t sum, const uint8_t *at, size_t count) {
    unsigned long long carry = 0;
    for (size_t i = 0; i < count; i++) {
        sum = __builtin_addcll(sum, load(at + i * sizeof(sum)), carry, &carry);
    }
    return sum + carry; // without another carry: a sum that left one has not all bits set
}

uint64_t checksum_add(uint64_t sum, uint64_t other) {
    unsigned long long carry;
    sum = __builtin_addcll(sum, other, 0, &carry);
    return sum + carry; // as above
}

// Of an odd number of bytes, the last one counts as the first of a word.
uint64_t checksum_of_bytes(const uint8_t *at, size_t size) {
    enum : size_t { BLOCK = 128, WORD = sizeof(uint64_t) };
    uint64_t sum = 0;
    for (; size >= BLOCK; size -= BLOCK, at += BLOCK) {
        sum = add_words(sum, at, BLOCK / WORD);
    }
    for (size_t part = BLOCK / 2; part >= WORD; part /= 2) {
        if ((size & part) != 0) {
            sum = add_words(sum, at, part / WORD);
            at += part;
        }
    }
    uint64_t tail = 0;
    for (size_t part = WORD / 2; part > 0; part /= 2) {
        if ((size & part) != 0) {
            uint32_t piece = 0;
            __builtin_memcpy(&piece, at, part);
            tail += piece; // it begins at an even byte, so that its place in the word does not matter
            at += part;
        }
    }
    return checksum_add(sum, tail);
}

uint64_t checksum_shift(uint64_t sum) {
    return sum << 8 | sum >> 56;
}

static uint64_t sum_packet(const struct pbuf *packet) {
    uint64_t sum = 0;
    bool is_odd = false; // the part begins within a word
    for (; packet != nullptr; packet = packet->next) {
        uint64_t part = checksum_of(packet->payload, packet->len);
        sum = checksum_add(sum, is_odd ? checksum_shift(part) : part);
        is_odd ^= packet->len % 2 != 0;
    }
    return sum;
}

uint16_t checksum_fold(uint64_t sum) {
    unsigned carry;
    unsigned half = __builtin_addc((unsigned) sum, (unsigned) (sum >> 32), 0, &carry);
    half += carry; // without another carry, as above
    unsigned short carry16;
    unsigned short word = __builtin_addcs((unsigned short) half, (unsigned short) (half >> 16), 0, &carry16);
    return (uint16_t) (word + carry16);
}

// What goes into a header.
static uint16_t complement(uint64_t sum) {
    return (uint16_t) ~checksum_fold(sum);
}

uint16_t inet_chksum(const void *data, uint16_t size) {
    return complement(checksum_of(data, size));
}

uint16_t inet_chksum_pbuf(struct pbuf *packet) {
    return complement(sum_packet(packet));
}

// With the pseudo-header of UDP (RFC 768) and TCP (RFC 9293 §3.1).
uint16_t ip_chksum_pseudo(struct pbuf *packet, uint8_t protocol, uint16_t size, const ip_addr_t *source,
                          const ip_addr_t *destination) {
    uint64_t header = (uint64_t) source->addr + destination->addr + lwip_htons(protocol) + lwip_htons(size);
    return complement(checksum_add(sum_packet(packet), header));
}
