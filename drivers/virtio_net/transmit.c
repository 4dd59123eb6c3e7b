// Frames from the client to the device, and what it is asked to do to them: nothing that was not checked.
#include "traffic.h"

enum : uint8_t { HEADER_NEEDS_CHECKSUM = 1 }; // §5.1.6: flags
enum : uint8_t { HEADER_TCPV4 = 1 };          // kind of segments

static void write_header(const struct nic *nic, struct frame frame, struct nic_header header) {
    __builtin_memcpy(frame_data(&nic->end, frame) - sizeof(header), &header, sizeof(header));
}

// A frame that the client wants sent. Its parts follow one another in next_part.
struct outgoing {
    struct frame first;
    uint16_t last;  // buffer of its parts
    uint16_t lent;  // a bit for each number that it refers to
    uint16_t count; // of parts
    uint32_t length;
    struct virtqueue_segment segments[FRAME_PARTS_MAX];
};

static status_t give_back(struct nic *nic, uint16_t first) {
    if (nic->lent_of[first] != 0) {
        nic_lent_release(nic, first);
    }
    for (uint16_t buffer = first; buffer != 0; buffer = nic->next_part[buffer]) {
        TRY(frame_give(&nic->end, FRAME_TRANSMITTED, (struct frame) {.buffer = buffer}));
    }
    return OK;
}

status_t nic_finish_transmits(struct nic *nic) {
    struct virtqueue_done done;
    status_t status;
    while ((status = virtqueue_take(&nic->transmit, &done)) == OK) {
        TRY(give_back(nic, (uint16_t) done.token));
    }
    return status == ERR_EMPTY ? OK : status;
}

static void add_part(struct nic *nic, struct outgoing *frame, struct frame part) {
    frame->segments[frame->count++] = (struct virtqueue_segment) {part_address(nic, part), part.length, false};
    frame->length += part.length;
    if (part.lent != 0) {
        frame->lent |= 1u << part.lent;
        return;
    }
    nic->next_part[frame->last] = part.buffer;
    nic->next_part[part.buffer] = 0;
    frame->last = part.buffer;
}

static status_t take_next_part(struct nic *nic, struct outgoing *frame, struct frame *part) {
    bool has_place = frame->count < nic->parts_max;
    if (!has_place || frame_take(&nic->end, FRAME_TRANSMIT, part) != OK) {
        return ERR_MALFORMED; // the parts of a frame are published together
    }
    add_part(nic, frame, *part);
    return part->length > 0 && (part->flags & ~FRAME_MORE) == 0 ? OK : ERR_MALFORMED;
}

static status_t take_outgoing(struct nic *nic, struct outgoing *out_frame) {
    struct frame part;
    TRY(frame_take(&nic->end, FRAME_TRANSMIT, &part));
    if (part.lent != 0) {
        return ERR_MALFORMED; // there is no room for the device's header in front of it
    }
    out_frame->first = part;
    out_frame->last = part.buffer;
    out_frame->count = out_frame->lent = 0;
    out_frame->length = 0;
    add_part(nic, out_frame, part);
    while ((part.flags & FRAME_MORE) != 0) {
        TRY(take_next_part(nic, out_frame, &part));
    }
    return OK;
}

static bool is_checksum_legal(struct frame_offload offload, uint32_t length) {
    uint32_t field = (uint32_t) offload.checksum_start + offload.checksum_offset;
    return offload.checksum_start >= ETHERNET_HEADER_SIZE && field + sizeof(uint16_t) <= length;
}

// All headers are in the first part, and what is cut off fits the wire.
static bool is_segmentation_legal(const struct nic *nic, struct frame_offload offload, const struct outgoing *frame) {
    uint32_t cut = (uint32_t) offload.header_length + offload.segment_size;
    return offload.header_length > offload.checksum_start && offload.header_length <= frame->first.length &&
           offload.header_length < frame->length && offload.segment_size > 0 && cut <= nic->mtu + ETHERNET_HEADER_SIZE &&
           frame->length <= UINT16_MAX;
}

static bool is_offload_legal(const struct nic *nic, struct frame_offload offload, const struct outgoing *frame) {
    uint16_t flags = frame->first.flags & ~FRAME_MORE;
    bool needs_segments = (flags & FRAME_SEGMENTS_NEEDED) != 0;
    return (flags & ~nic->offloads) == 0 && is_checksum_legal(offload, frame->first.length) &&
           (!needs_segments || ((flags & FRAME_CHECKSUM_NEEDED) != 0 && is_segmentation_legal(nic, offload, frame)));
}

// Makes the device's header. False: the frame must not be sent, which is counted.
static bool make_header(struct nic *nic, const struct outgoing *frame, struct nic_header *out_header) {
    uint16_t flags = frame->first.flags;
    bool has_offload = (flags & ~FRAME_MORE) != 0, needs_segments = (flags & FRAME_SEGMENTS_NEEDED) != 0;
    *out_header = (struct nic_header) {};
    if (frame->first.length < ETHERNET_HEADER_SIZE) {
        nic->counters.dropped_short++;
        return false;
    }
    if (!needs_segments && frame->length > nic->mtu + ETHERNET_HEADER_SIZE) {
        nic->counters.dropped_long++;
        return false;
    }
    if (!has_offload) {
        return true;
    }
    struct frame_offload offload = frame_read_offload(&nic->end, frame->first);
    if (!is_offload_legal(nic, offload, frame)) {
        nic->counters.dropped_offload++;
        return false;
    }
    out_header->flags = HEADER_NEEDS_CHECKSUM;
    out_header->checksum_start = offload.checksum_start;
    out_header->checksum_offset = offload.checksum_offset;
    if (needs_segments) {
        out_header->segment_type = HEADER_TCPV4;
        out_header->header_length = offload.header_length;
        out_header->segment_size = offload.segment_size;
    }
    return true;
}

static status_t transmit_one(struct nic *nic, struct outgoing *frame) {
    struct nic_header header;
    if (!make_header(nic, frame, &header)) {
        return give_back(nic, frame->first.buffer);
    }
    write_header(nic, frame->first, header);
    frame->segments[0].address -= NIC_HEADER_SIZE;
    frame->segments[0].length += NIC_HEADER_SIZE;
    if (frame->lent != 0) {
        nic_lent_keep(nic, frame->first.buffer, frame->lent);
    }
    nic->counters.sent_frames++;
    nic->counters.sent_bytes += frame->length;
    return virtqueue_add(&nic->transmit, frame->segments, frame->count, frame->first.buffer);
}

bool nic_has_room(const struct nic *nic) {
    return nic->transmit.free_count >= nic->parts_max;
}

status_t nic_transmit(struct nic *nic) {
    struct outgoing frame;
    status_t status = OK;
    while (nic_has_room(nic) && (status = take_outgoing(nic, &frame)) == OK) {
        TRY(transmit_one(nic, &frame));
    }
    if (virtqueue_publish(&nic->transmit)) {
        virtio_notify(&nic->device, NIC_TRANSMIT);
    }
    return status == ERR_EMPTY ? OK : status;
}
