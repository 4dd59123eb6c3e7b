// Copies packets within lwIP and into frames. The C library's memcpy, made for other sizes, takes twice as long.
#include <lwip/arch.h>
#include <lwip/pbuf.h>

#include "copy.h"

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

void packet_copy_next(struct packet_cursor *at, uint8_t *to, size_t size) {
    while (size > 0) {
        size_t left = at->part->len - at->position, piece = left < size ? left : size;
        packet_copy(to, (const uint8_t *) at->part->payload + at->position, piece);
        to += piece;
        size -= piece;
        at->position += piece;
        if (piece == left && at->part->next != nullptr) {
            *at = (struct packet_cursor) {at->part->next, 0};
        }
    }
}

void packet_skip_part(struct packet_cursor *at) {
    while (at->part->len == 0) {
        at->part = at->part->next;
    }
    *at = (struct packet_cursor) {at->part->next, 0};
}
