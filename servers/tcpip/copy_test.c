// test-with: servers/tcpip/copy.c
#include <lwip/arch.h>
#include <lwip/pbuf.h>

#include "copy.h"

#include <test/test.h>

static uint8_t from[600], to[600];

static void fill(void) {
    for (size_t i = 0; i < sizeof(from); i++) {
        from[i] = (uint8_t) (i * 7 + i / 256 + 1);
    }
}

TEST("exactly the bytes that were asked for are copied, whatever their size and beginning") {
    fill();
    for (size_t begin = 1; begin <= 17; begin++) {
        for (size_t size = 0; size <= 520; size++) {
            __builtin_memset(to, 0, sizeof(to));
            packet_copy(to + begin, from + begin + size % 3, size);
            bool is_right = to[begin - 1] == 0 && to[begin + size] == 0;
            for (size_t i = 0; i < size; i++) {
                is_right &= to[begin + i] == from[begin + size % 3 + i];
            }
            EXPECT(is_right);
        }
    }
}

TEST("a packet is copied piece by piece, wherever its parts and the pieces end") {
    enum { SIZE = 300 };
    fill();
    for (uint16_t cut = 0; cut <= SIZE; cut += 25) {
        struct pbuf last = {.payload = from + cut, .len = SIZE - cut, .tot_len = SIZE - cut};
        struct pbuf empty = {.next = &last, .payload = from, .tot_len = SIZE - cut};
        struct pbuf first = {.next = &empty, .payload = from, .len = cut, .tot_len = SIZE};
        for (size_t piece = 1; piece <= SIZE; piece += 13) {
            struct packet_cursor at = {&first, 0};
            size_t copied = 0;
            __builtin_memset(to, 0, sizeof(to));
            for (size_t size; copied < SIZE; copied += size) {
                size = piece < SIZE - copied ? piece : SIZE - copied;
                packet_copy_next(&at, to + copied, size);
            }
            EXPECT(__builtin_memcmp(to, from, SIZE) == 0 && to[SIZE] == 0);
        }
    }
}
