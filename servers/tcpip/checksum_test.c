// test-with: servers/tcpip/checksum.c
#include "checksum.h"

#include <stddef.h>
#include <test/test.h>

// RFC 1071 word by word.
static uint16_t reference(const uint8_t *data, size_t size) {
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        sum += (uint32_t) data[i] << (i % 2 * 8);
    }
    while (sum > 0xffff) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t) sum;
}

static uint8_t data[1600];

static void fill(uint32_t seed) {
    for (size_t i = 0; i < sizeof(data); i++) {
        seed = seed * 1664525 + 1013904223;
        data[i] = (uint8_t) (seed >> 24);
    }
}

TEST("the checksum is RFC 1071's for every size and every beginning") {
    fill(1);
    for (size_t begin = 0; begin < 9; begin++) {
        for (size_t size = 0; size <= 200; size++) {
            EXPECT_EQ(checksum_add(data + begin, (int) size), reference(data + begin, size));
        }
        EXPECT_EQ(checksum_add(data + begin, 1460), reference(data + begin, 1460));
    }
}

TEST("carries are not lost") {
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = 0xff;
    }
    EXPECT_EQ(checksum_add(data, 1514), 0xffff);
    EXPECT_EQ(checksum_add(data, 33), reference(data, 33));
}
