// The way of each frame: between the device's queues and the client's rings, without copying it.
#include "nic.h"

enum { ROUNDS_MAX = 4, RECEIVE_LOW = NIC_QUEUE_SIZE / 4 };
enum { HEADER_BUFFER_COUNT = 10 }; // §5.1.6: num_buffers

static uint8_t *header_of(struct nic *nic, struct frame frame) {
    return frame_data(&nic->end, frame) - NIC_HEADER_SIZE;
}

static uint64_t header_address(const struct nic *nic, struct frame frame) {
    uint64_t offset = (uint64_t) frame.buffer * FRAME_BUFFER_SIZE + frame.offset - NIC_HEADER_SIZE;
    return nic->region.address + offsetof(struct frame_region, buffers) + offset;
}

// --- Receiving ---

void nic_refill(struct nic *nic) {
    while (nic->spare_count > 0) {
        struct frame frame = {.buffer = nic->spare[nic->spare_count - 1], .offset = FRAME_HEADROOM};
        uint32_t room = FRAME_BUFFER_SIZE - FRAME_HEADROOM + NIC_HEADER_SIZE;
        struct virtqueue_segment segment = {header_address(nic, frame), room, .is_for_device_to_write = true};
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

// Counts a frame that must not reach the client. The field is the device's word, or even the client's: it may cost
// frames, nothing else.
static bool is_unwanted(struct nic *nic, struct frame frame, uint32_t written) {
    const uint8_t *count_field = header_of(nic, frame) + HEADER_BUFFER_COUNT;
    uint16_t buffers = (uint16_t) (count_field[0] | count_field[1] << 8);
    if (nic->skip > 0) {
        nic->skip--;
        return true;
    }
    if (written < NIC_HEADER_SIZE + ETHERNET_HEADER_SIZE) {
        nic->counters.dropped_short++;
        return true;
    }
    if (buffers > 1) {
        nic->skip = buffers <= FRAME_HALF ? buffers - 1 : 0;
        nic->counters.dropped_spanning++;
    }
    return buffers > 1;
}

static status_t receive_one(struct nic *nic, struct virtqueue_done done) {
    struct frame frame = {.buffer = (uint16_t) done.token, .offset = FRAME_HEADROOM};
    if (is_unwanted(nic, frame, done.length)) {
        recycle(nic, frame.buffer);
        return OK;
    }
    frame.length = (uint16_t) (done.length - NIC_HEADER_SIZE);
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

static status_t finish_transmits(struct nic *nic) {
    struct virtqueue_done done;
    status_t status;
    while ((status = virtqueue_take(&nic->transmit, &done)) == OK) {
        TRY(frame_give(&nic->end, FRAME_TRANSMITTED, (struct frame) {.buffer = (uint16_t) done.token}));
    }
    return status == ERR_EMPTY ? OK : status;
}

static status_t transmit_one(struct nic *nic, struct frame frame) {
    if (frame.length < ETHERNET_HEADER_SIZE || frame.length > nic->mtu + ETHERNET_HEADER_SIZE) {
        *(frame.length < ETHERNET_HEADER_SIZE ? &nic->counters.dropped_short : &nic->counters.dropped_long) += 1;
        return frame_give(&nic->end, FRAME_TRANSMITTED, frame);
    }
    mem_zero(header_of(nic, frame), NIC_HEADER_SIZE); // no offloads
    nic->counters.sent_frames++;
    nic->counters.sent_bytes += frame.length;
    struct virtqueue_segment segment = {header_address(nic, frame), frame.length + (uint32_t) NIC_HEADER_SIZE, false};
    return virtqueue_add(&nic->transmit, &segment, 1, frame.buffer);
}

static status_t transmit_frames(struct nic *nic) {
    struct frame frame;
    status_t status = OK;
    while (nic->transmit.free_count > 0 && (status = frame_take(&nic->end, FRAME_TRANSMIT, &frame)) == OK) {
        TRY(transmit_one(nic, frame));
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
    bool is_needed = nic->transmit.free_count == 0 || in_flight >= FRAME_HALF / 2;
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
           (nic->transmit.free_count == 0 || frame_sleep(&nic->end, FRAME_TRANSMIT)) &&
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
