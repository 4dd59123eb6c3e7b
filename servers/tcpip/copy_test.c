// test-with: servers/tcpip/copy.c
#include <lwip/arch.h>

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
