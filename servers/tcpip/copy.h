// Copies packets. packet_copy, for single pieces of memory, is declared for all of lwIP by lwip/arch/cc.h.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct pbuf;

// A place in a packet.
struct packet_cursor {
    const struct pbuf *part;
    size_t position; // in the part
};

// Copies the packet's next bytes, of which there have to be so many.
void packet_copy_next(struct packet_cursor *at, uint8_t *to, size_t size);
void packet_skip_part(struct packet_cursor *at); // at whose beginning the place is, but for empty ones
