// The Internet checksum (RFC 1071).
#pragma once

#include <stdint.h>

// The folded sum of the data's 16-bit words as they lie in memory, not complemented. An odd last byte counts as the
// first byte of a word. The data may begin anywhere.
uint16_t checksum_add(const void *data, int size);
