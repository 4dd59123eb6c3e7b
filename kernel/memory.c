// The kernel's own byte functions.
#include "memory.h"

#include "arch.h"

#include <stdint.h>

// Few instructions and little code, which a boot runs through once.
[[gnu::noinline]] void *memcpy(void *restrict destination, const void *restrict source, size_t size) {
    size_t words = size / 8;
    arch_copy(destination, source, words);
    uint8_t *to = destination;
    const uint8_t *from = source;
    for (size_t i = words * 8; i < size; i++) {
        to[i] = from[i];
    }
    return destination;
}

// Mostly whole pages: arch_fill does the words of them.
void *memset(void *destination, int byte, size_t size) {
    uint8_t *to = destination;
    size_t words = size / 8;
    arch_fill(to, (uint8_t) byte * 0x0101010101010101u, words);
    for (size_t i = words * 8; i < size; i++) {
        to[i] = (uint8_t) byte;
    }
    return destination;
}

void *memmove(void *destination, const void *source, size_t size) {
    uint8_t *to = destination;
    const uint8_t *from = source;
    if (to <= from || to >= from + size) {
        return memcpy(destination, source, size);
    }
    while (size > 0) {
        size--;
        to[size] = from[size];
    }
    return destination;
}

int memcmp(const void *a, const void *b, size_t size) {
    const uint8_t *left = a, *right = b;
    for (size_t i = 0; i < size; i++) {
        if (left[i] != right[i]) {
            return left[i] < right[i] ? -1 : 1;
        }
    }
    return 0;
}

size_t strnlen(const char *text, size_t limit) {
    size_t length = 0;
    while (length < limit && text[length] != '\0') {
        length++;
    }
    return length;
}
