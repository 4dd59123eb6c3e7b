// Copies packets within lwIP and into frames. The C library's memcpy, made for other sizes, takes twice as long.
#include <lwip/arch.h>

void packet_copy(void *to, const void *from, size_t size) {
    enum : size_t { BLOCK = 128 }; // as much as the compiler copies without a loop
    uint8_t *target = to;
    const uint8_t *source = from;
    for (; size >= BLOCK; size -= BLOCK, target += BLOCK, source += BLOCK) {
        __builtin_memcpy(target, source, BLOCK);
    }
    for (size_t part = BLOCK / 2; part > 0; part /= 2) {
        if ((size & part) != 0) {
            __builtin_memcpy(target, source, part);
            target += part;
            source += part;
        }
    }
}
