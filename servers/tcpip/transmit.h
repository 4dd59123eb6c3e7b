// Frames to send, in the buffers of the frame region and in memory that clients have lent.
#pragma once

#include <ring/frame_region.h>

struct pbuf;

void transmit_begin(struct frame_end *end); // on new rings: all buffers are here, and nothing is under way
status_t transmit_collect(void);            // takes back what was sent. ERR_MALFORMED
size_t transmit_room(void);                 // buffers that are here
bool transmit_has_lent(void);               // something that was lent is under way

// Puts an Ethernet frame into the ring; the driver sees it after frame_publish. ERR_FULL: it has no place now
status_t transmit_packet(const struct pbuf *packet, uint8_t flags, struct frame_offload offload);

// Bytes behind the headers of frames of TCP that were copied into buffers.
extern uint64_t transmit_copied;
