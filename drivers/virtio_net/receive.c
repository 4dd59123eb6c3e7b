// Frames from the device to the client: large ones in several parts.
#include "traffic.h"

enum : uint8_t { HEADER_NEEDS_CHECKSUM = 1, HEADER_DATA_VALID = 2 }; // §5.1.6

// Headers lie in memory that the client shares, so each is copied before it is looked at.
static struct nic_header read_header(const struct nic *nic, struct frame frame) {
    struct nic_header header;
    __builtin_memcpy(&header, frame_data(&nic->end, frame) - sizeof(header), sizeof(header));
    return header;
}

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

// A checksum that still has to be filled in is that of a frame which was on no wire yet.
static bool is_checksum_correct(const struct nic *nic, struct nic_header header) {
    return virtio_has(&nic->device, NIC_RECEIVE_CHECKSUM) && (header.flags & (HEADER_NEEDS_CHECKSUM | HEADER_DATA_VALID)) != 0;
}

static bool is_expected(const struct nic *nic) {
    return nic->incoming.count > 0;
}

// The frame does not reach the client, nor does what is still to come of it.
static void drop(struct nic *nic, uint16_t missing, uint64_t *counter) {
    for (uint16_t i = 0; i < nic->incoming.count; i++) {
        recycle(nic, nic->incoming.parts[i].buffer);
    }
    nic->skip = missing;
    nic->incoming.count = 0;
    (*counter)++;
}

static void keep(struct nic *nic, struct frame part) {
    nic->incoming.parts[nic->incoming.count++] = part;
    nic->incoming.length += part.length;
}

static void count_received(struct nic *nic, uint32_t length) {
    nic->counters.received_frames++;
    nic->counters.received_bytes += length;
}

static status_t give_incoming(struct nic *nic) {
    uint16_t count = nic->incoming.count;
    nic->incoming.count = 0;
    count_received(nic, nic->incoming.length);
    for (uint16_t i = 0; i < count; i++) {
        struct frame part = nic->incoming.parts[i];
        part.flags |= i + 1 < count ? FRAME_MORE : 0;
        TRY(frame_give(&nic->end, FRAME_RECEIVED, part));
    }
    return OK;
}

// The header is the device's word, or even the client's: it may cost frames, nothing else. Most frames are whole at once.
static status_t receive_first(struct nic *nic, struct frame part, uint32_t written) {
    struct nic_header header = read_header(nic, part);
    uint16_t limit = virtio_has(&nic->device, NIC_RECEIVE_LARGE) ? FRAME_PARTS_MAX : 1;
    uint16_t missing = header.buffer_count > 1 && header.buffer_count <= FRAME_HALF ? header.buffer_count - 1 : 0;
    part.length = written > NIC_HEADER_SIZE ? (uint16_t) (written - NIC_HEADER_SIZE) : 0;
    part.flags = is_checksum_correct(nic, header) ? FRAME_CHECKSUM_CORRECT : 0;
    if (part.length < ETHERNET_HEADER_SIZE || header.buffer_count > limit) {
        recycle(nic, part.buffer);
        bool is_short = part.length < ETHERNET_HEADER_SIZE;
        drop(nic, missing, is_short ? &nic->counters.dropped_short : &nic->counters.dropped_spanning);
        return OK;
    }
    if (missing == 0) {
        count_received(nic, part.length);
        return frame_give(&nic->end, FRAME_RECEIVED, part);
    }
    nic->incoming.missing = missing;
    nic->incoming.length = 0;
    keep(nic, part);
    return OK;
}

// Only the first part has a header.
static status_t receive_next(struct nic *nic, struct frame part, uint32_t written) {
    nic->incoming.missing--;
    part.offset -= NIC_HEADER_SIZE;
    part.length = (uint16_t) written;
    keep(nic, part);
    if (part.length == 0 || nic->incoming.length > UINT16_MAX) {
        drop(nic, nic->incoming.missing, &nic->counters.dropped_spanning);
        return OK;
    }
    return nic->incoming.missing == 0 ? give_incoming(nic) : OK;
}

static status_t receive_one(struct nic *nic, struct virtqueue_done done) {
    struct frame part = {.buffer = (uint16_t) done.token, .offset = FRAME_HEADROOM};
    if (nic->skip > 0) {
        nic->skip--;
        recycle(nic, part.buffer);
        return OK;
    }
    return is_expected(nic) ? receive_next(nic, part, done.length) : receive_first(nic, part, done.length);
}

status_t nic_receive(struct nic *nic) {
    struct virtqueue_done done;
    status_t status;
    while ((status = virtqueue_take(&nic->receive, &done)) == OK) {
        TRY(receive_one(nic, done));
    }
    return status == ERR_EMPTY ? OK : status;
}

status_t nic_take_returned(struct nic *nic) {
    struct frame frame;
    status_t status;
    while ((status = frame_take(&nic->end, FRAME_RECEIVE_RETURNED, &frame)) == OK) {
        recycle(nic, frame.buffer);
    }
    return status == ERR_EMPTY ? OK : status;
}
