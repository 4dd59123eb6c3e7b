// The way of each frame: between the device's queues and the client's rings, without copying it.
#include "nic.h"

enum { ROUNDS_MAX = 4, RECEIVE_LOW = NIC_QUEUE_SIZE / 4 };
// §5.1.6
enum : uint8_t { HEADER_NEEDS_CHECKSUM = 1, HEADER_DATA_VALID = 2 };
enum : uint8_t { HEADER_SEGMENTS_TCPV4 = 1 };

// Headers lie in memory that the client shares, so each is copied before it is looked at.
static struct nic_header read_header(const struct nic *nic, struct frame frame) {
    struct nic_header header;
    __builtin_memcpy(&header, frame_data(&nic->end, frame) - sizeof(header), sizeof(header));
    return header;
}

static void write_header(const struct nic *nic, struct frame frame, struct nic_header header) {
    __builtin_memcpy(frame_data(&nic->end, frame) - sizeof(header), &header, sizeof(header));
}

static uint64_t part_address(const struct nic *nic, struct frame part) {
    uint64_t offset = (uint64_t) part.buffer * FRAME_BUFFER_SIZE + part.offset;
    return nic->region.address + offsetof(struct frame_region, buffers) + offset;
}

// --- Receiving ---

void nic_refill(struct nic *nic) {
    while (nic->spare_count > 0) {
        struct frame frame = {.buffer = nic->spare[nic->spare_count - 1], .offset = FRAME_HEADROOM};
        uint64_t address = part_address(nic, frame) - NIC_HEADER_SIZE;
        struct virtqueue_segment segment = {address, FRAME_ROOM + NIC_HEADER_SIZE, .is_for_device_to_write = true};
        if (virtqueue_add(&nic->receive, &segment, 1, frame.buffer) != OK) {
            break; // the device's queue is smaller than the pool
        }
        nic->spare_count--;
    }
    if (virtqueue_publish(&nic->receive)) {
        virtio_notify(&nic->device, NIC_RECEIVE);
    }
}

static void recycle(struct nic *nic, uint16_t buffer) {
    nic->spare[nic->spare_count++] = buffer;
}

// Counts a frame that must not reach the client. The header is the device's word, or even the client's: it may cost
// frames, nothing else.
static bool is_unwanted(struct nic *nic, struct nic_header header, uint32_t written) {
    if (nic->skip > 0) {
        nic->skip--;
        return true;
    }
    if (written < NIC_HEADER_SIZE + ETHERNET_HEADER_SIZE) {
        nic->counters.dropped_short++;
        return true;
    }
    if (header.buffer_count > 1) {
        nic->skip = header.buffer_count <= FRAME_HALF ? header.buffer_count - 1 : 0;
        nic->counters.dropped_spanning++;
    }
    return header.buffer_count > 1;
}

// A checksum that still has to be filled in is that of a frame which was on no wire yet.
static bool is_checksum_correct(const struct nic *nic, struct nic_header header) {
    return virtio_has(&nic->device, NIC_RECEIVE_CHECKSUM) && (header.flags & (HEADER_NEEDS_CHECKSUM | HEADER_DATA_VALID)) != 0;
}

static status_t receive_one(struct nic *nic, struct virtqueue_done done) {
    struct frame frame = {.buffer = (uint16_t) done.token, .offset = FRAME_HEADROOM};
    struct nic_header header = read_header(nic, frame);
    if (is_unwanted(nic, header, done.length)) {
        recycle(nic, frame.buffer);
        return OK;
    }
    frame.length = (uint16_t) (done.length - NIC_HEADER_SIZE);
    frame.flags = is_checksum_correct(nic, header) ? FRAME_CHECKSUM_CORRECT : 0;
    nic->counters.received_frames++;
    nic->counters.received_bytes += frame.length;
    return frame_give(&nic->end, FRAME_RECEIVED, frame);
}

static status_t receive_frames(struct nic *nic) {
    struct virtqueue_done done;
    status_t status;
    while ((status = virtqueue_take(&nic->receive, &done)) == OK) {
        TRY(receive_one(nic, done));
    }
    return status == ERR_EMPTY ? OK : status;
}

static status_t take_returned(struct nic *nic) {
    struct frame frame;
    status_t status;
    while ((status = frame_take(&nic->end, FRAME_RECEIVE_RETURNED, &frame)) == OK) {
        recycle(nic, frame.buffer);
    }
    return status == ERR_EMPTY ? OK : status;
}

// --- Sending ---

// A frame that the client wants sent. Its parts follow one another in next_part.
struct outgoing {
    struct frame first;
    uint16_t count;
    uint32_t length;
    struct virtqueue_segment segments[FRAME_PARTS_MAX];
};

static status_t give_back(struct nic *nic, uint16_t first) {
    for (uint16_t buffer = first; buffer != 0; buffer = nic->next_part[buffer]) {
        TRY(frame_give(&nic->end, FRAME_TRANSMITTED, (struct frame) {.buffer = buffer}));
    }
    return OK;
}

static status_t finish_transmits(struct nic *nic) {
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
    nic->next_part[part.buffer] = 0;
}

static status_t take_next_part(struct nic *nic, struct outgoing *frame, struct frame *part) {
    uint16_t before = part->buffer;
    bool has_place = frame->count < nic->parts_max;
    if (!has_place || frame_take(&nic->end, FRAME_TRANSMIT, part) != OK) {
        return ERR_MALFORMED; // the parts of a frame are published together
    }
    nic->next_part[before] = part->buffer;
    add_part(nic, frame, *part);
    return part->length > 0 && (part->flags & ~FRAME_MORE) == 0 ? OK : ERR_MALFORMED;
}

static status_t take_outgoing(struct nic *nic, struct outgoing *out_frame) {
    struct frame part;
    TRY(frame_take(&nic->end, FRAME_TRANSMIT, &part));
    out_frame->first = part;
    out_frame->count = 0;
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
        out_header->segment_type = HEADER_SEGMENTS_TCPV4;
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
    nic->counters.sent_frames++;
    nic->counters.sent_bytes += frame->length;
    return virtqueue_add(&nic->transmit, frame->segments, frame->count, frame->first.buffer);
}

// For any frame that the client may send next.
static bool has_room(const struct nic *nic) {
    return nic->transmit.free_count >= nic->parts_max;
}

static status_t transmit_frames(struct nic *nic) {
    struct outgoing frame;
    status_t status = OK;
    while (has_room(nic) && (status = take_outgoing(nic, &frame)) == OK) {
        TRY(transmit_one(nic, &frame));
    }
    if (virtqueue_publish(&nic->transmit)) {
        virtio_notify(&nic->device, NIC_TRANSMIT);
    }
    return status == ERR_EMPTY ? OK : status;
}

// --- Both ---

// Finished frames lie in the queue until something else happens, unless somebody needs their buffers.
static bool rest_transmit(struct nic *nic) {
    uint16_t in_flight = nic->transmit.in_flight;
    bool is_needed = !has_room(nic) || in_flight >= FRAME_HALF / 2;
    if (in_flight > 0 && (is_needed || frame_is_awaited(&nic->end, FRAME_TRANSMITTED))) {
        return virtqueue_arm(&nic->transmit, in_flight / 2 + 1);
    }
    virtqueue_disarm(&nic->transmit);
    return true;
}

// Asks both sides to say when there is more to do. False: there is already.
static bool rest(struct nic *nic) {
    bool is_low = nic->receive.in_flight < RECEIVE_LOW;
    return virtqueue_arm(&nic->receive, 1) && rest_transmit(nic) &&
           (!has_room(nic) || frame_sleep(&nic->end, FRAME_TRANSMIT)) &&
           (!is_low || frame_sleep(&nic->end, FRAME_RECEIVE_RETURNED));
}

static status_t move_frames(struct nic *nic) {
    TRY(receive_frames(nic));
    TRY(finish_transmits(nic));
    TRY(take_returned(nic));
    nic_refill(nic);
    return transmit_frames(nic);
}

status_t nic_run(struct nic *nic, bool *out_wake) {
    *out_wake = false;
    status_t status = OK;
    bool is_done = !nic->is_running;
    for (unsigned round = 0; status == OK && !is_done && round < ROUNDS_MAX; round++) {
        virtqueue_disarm(&nic->receive);
        status = move_frames(nic);
        *out_wake |= frame_publish(&nic->end, FRAME_RECEIVED);
        *out_wake |= frame_publish(&nic->end, FRAME_TRANSMITTED);
        is_done = status == OK && rest(nic);
    }
    return status == OK && !is_done ? PENDING : status;
}
