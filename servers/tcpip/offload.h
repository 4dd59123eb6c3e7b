// What the device is left to do to a packet that lwIP sends.
#pragma once

#include <ring/frame_region.h>

struct netif;
struct pbuf;

// Makes lwIP leave to us the checksums that the device fills in: `offloads` are flags of frames.
void offload_begin(struct netif *netif, uint8_t offloads);

// Prepares an Ethernet frame that lwIP is just sending: returns its flags, and what they refer to.
uint8_t offload_prepare(uint8_t offloads, const struct netif *netif, struct pbuf *packet, struct frame_offload *out_offload);

// Are the checksums of what is received from here on known to be right?
void offload_trust(struct netif *netif, bool is_correct);
