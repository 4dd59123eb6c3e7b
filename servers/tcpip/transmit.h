// Frames to send, in the buffers of the frame region and in memory that clients have lent.
//
// A frame is built of pieces of a packet and then given to the driver, who sees it after frame_publish.
#pragma once

#include <ring/frame_region.h>

struct pbuf;
struct lent;

void transmit_begin(struct frame_end *end); // on new rings: all buffers are here, and nothing is under way
status_t transmit_collect(void);            // takes back what was sent. ERR_MALFORMED
bool transmit_has_room(size_t parts);       // for frames of together so many parts
bool transmit_has_lent(void);               // something that was lent is under way

// A place in a packet.
struct packet_cursor {
    const struct pbuf *part;
    size_t position; // in the part
};

struct building {
    struct frame parts[FRAME_PARTS_MAX];
    size_t count, limit, lent_count;
    size_t room;    // behind `to`, in a part that is a buffer
    uint8_t *to;    // where the next byte is copied to
    uint64_t lent;  // a lent_set_t: what the parts refer to
    uint64_t sum;   // the checksum of what was added from packets
    bool is_odd;    // that is an odd number of bytes
    bool wants_sum; // else nothing is summed
};

// Begins a frame of at most so many parts, at least the buffers that it would take to copy all of it. There is room for them.
void transmit_build(struct building *frame, size_t parts_max);

// Room in the frame's first buffer for headers of this size, which are written there.
uint8_t *transmit_headers(struct building *frame, size_t size);

// Adds the packet's next bytes, of which there are so many: what was lent as a part of its own, the rest by copying it.
void transmit_bytes(struct building *frame, struct packet_cursor *at, size_t size);

void transmit_give(struct building *frame, uint8_t flags, struct frame_offload offload);

// Bytes of packets behind their headers that were copied into buffers.
extern uint64_t transmit_copied;
