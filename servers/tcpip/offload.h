// What the device does to a packet that lwIP sends, and what is left to us.
#pragma once

#include <ring/frame_region.h>

struct netif;
struct pbuf;

struct sending {
    struct frame_offload offload; // what `flags` or cut.c refer to
    uint8_t flags;                // of the frame, or of those that it is cut into
    bool is_cut_here;             // or its checksum is filled in here: cut.c sends it
    uint16_t header_length;       // of all headers, which are in the packet's first part
};

// Makes lwIP leave to us the checksums that are filled in later: `offloads` are flags of frames.
void offload_begin(struct netif *netif, uint8_t offloads);

// Prepares an Ethernet frame that lwIP is just sending.
void offload_prepare(uint8_t offloads, const struct netif *netif, struct pbuf *packet, struct sending *out_sending);

// Are the checksums of what is received from here on known to be right?
void offload_trust(struct netif *netif, bool is_correct);
