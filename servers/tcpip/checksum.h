// The Internet checksum (RFC 1071) in steps. Sums of even numbers of bytes can be added in any order.
#pragma once

#include <starina/types.h>

uint64_t checksum_of(const uint8_t *at, size_t size);
uint64_t checksum_add(uint64_t sum, uint64_t other);
uint64_t checksum_shift(uint64_t sum); // of bytes that begin within a word
uint16_t checksum_fold(uint64_t sum);  // as it goes into a header its complement does
