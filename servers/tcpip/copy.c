// Copies packets within lwIP and into frames. The C library's memcpy, made for other sizes, takes twice as long.
#include <lwip/arch.h>

enum : size_t { BLOCK = 128 }; // as much as the compiler copies without a loop

// Of `half` to twice as many bytes: the first and the last `half`, which may overlap. `half` is a constant.
[[gnu::always_inline]] static inline void copy_ends(uint8_t *to, const uint8_t *from, size_t size, size_t half) {
    __builtin_memcpy(to, from, half);
    __builtin_memcpy(to + size - half, from + size - half, half);
}

void packet_copy(void *to, const void *from, size_t size) {
    uint8_t *target = to;
    const uint8_t *source = from;
    for (; size > BLOCK; size -= BLOCK, target += BLOCK, source += BLOCK) {
        __builtin_memcpy(target, source, BLOCK);
    }
    if (size >= 64) {
        copy_ends(target, source, size, 64);
    } else if (size >= 32) {
        copy_ends(target, source, size, 32);
    } else if (size >= 16) {
        copy_ends(target, source, size, 16);
    } else if (size >= 8) {
        copy_ends(target, source, size, 8);
    } else {
        for (size_t i = 0; i < size; i++) {
            target[i] = source[i];
        }
    }
}
