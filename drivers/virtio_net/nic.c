// Brings the network device up, and up again after a failure.
#include "traffic.h"

// §5.1.3
enum : uint64_t {
    FEATURE_MTU = 1ull << 3,
    FEATURE_MAC = 1ull << 5,
    FEATURE_MERGEABLE = 1ull << 15,
    FEATURE_STATUS = 1ull << 16,
    FEATURES_WANTED = FEATURE_MTU | FEATURE_MAC | FEATURE_MERGEABLE | FEATURE_STATUS | VIRTIO_EVENT_INDEX | NIC_SEND_CHECKSUM |
                      NIC_SEND_SEGMENTS | NIC_RECEIVE_CHECKSUM,
};
enum { CONFIG_MAC = 0, CONFIG_STATUS = 6, CONFIG_MTU = 10 }; // §5.1.4
enum : uint16_t { STATUS_LINK_UP = 1 };
enum { MTU_DEFAULT = 1500, MTU_MIN = 68, MTU_MAX = FRAME_ROOM - ETHERNET_HEADER_SIZE };

static status_t read_mac(struct nic *nic) {
    if (virtio_has(&nic->device, FEATURE_MAC)) {
        return virtio_config(&nic->device, CONFIG_MAC, nic->mac, sizeof(nic->mac));
    }
    uint64_t random;
    TRY(random_u64(&random));
    TRY(mem_copy(nic->mac, sizeof(nic->mac), &random, sizeof(nic->mac)));
    nic->mac[0] = (nic->mac[0] & 0xfc) | 2; // locally administered, one station
    return OK;
}

static status_t read_mtu(struct nic *nic) {
    uint16_t mtu = MTU_DEFAULT;
    if (virtio_has(&nic->device, FEATURE_MTU)) {
        TRY(virtio_config(&nic->device, CONFIG_MTU, &mtu, sizeof(mtu)));
    }
    if (mtu < MTU_MIN) {
        return ERR_IO;
    }
    nic->mtu = mtu < MTU_MAX ? mtu : MTU_MAX;
    return OK;
}

status_t nic_read_link(struct nic *nic) {
    uint16_t status = STATUS_LINK_UP;
    if (virtio_has(&nic->device, FEATURE_STATUS)) {
        TRY(virtio_config(&nic->device, CONFIG_STATUS, &status, sizeof(status)));
    }
    nic->is_link_up = (status & STATUS_LINK_UP) != 0;
    return OK;
}

// Large frames are received in several buffers or not at all, because there are none that they would fit.
static status_t agree(struct nic *nic) {
    TRY(virtio_negotiate(&nic->device, FEATURES_WANTED | NIC_RECEIVE_LARGE));
    bool is_usable = virtio_has(&nic->device, FEATURE_MERGEABLE) && virtio_has(&nic->device, NIC_RECEIVE_CHECKSUM);
    return is_usable || !virtio_has(&nic->device, NIC_RECEIVE_LARGE) ? OK : virtio_negotiate(&nic->device, FEATURES_WANTED);
}

status_t nic_identify(struct nic *nic) {
    TRY(agree(nic));
    TRY(read_mac(nic));
    TRY(read_mtu(nic));
    return nic_read_link(nic);
}

static status_t start_queue(struct nic *nic, uint16_t index, struct virtqueue *queue) {
    size_t half = nic->rings.size / 2;
    uint8_t *memory = nic->rings.memory + index * half;
    uint16_t size = virtio_queue_size(&nic->device, index, NIC_QUEUE_SIZE);
    if (virtqueue_bytes(size) > half) {
        return ERR_NO_MEMORY;
    }
    mem_zero(memory, half);
    bool has_event_index = virtio_has(&nic->device, VIRTIO_EVENT_INDEX);
    TRY(virtqueue_begin(queue, size, memory, nic->rings.address + index * half, has_event_index));
    return virtio_queue_start(&nic->device, index, queue);
}

// A queue that is shorter than a frame's parts would never have room for it. What fits the wire fits a buffer.
static void choose_offloads(struct nic *nic) {
    bool has_checksum = virtio_has(&nic->device, NIC_SEND_CHECKSUM);
    bool has_parts = nic->transmit.size >= FRAME_PARTS_MAX;
    bool has_segments = has_checksum && virtio_has(&nic->device, NIC_SEND_SEGMENTS) && has_parts;
    nic->offloads = (has_checksum ? FRAME_CHECKSUM_NEEDED : 0) | (has_segments ? FRAME_SEGMENTS_NEEDED : 0);
    nic->parts_max = has_parts ? FRAME_PARTS_MAX : 1;
}

// What this end holds, the device had or was about to get: receive buffers wait for it, frames to send are lost.
static status_t collect_buffers(struct nic *nic) {
    nic->spare_count = nic->skip = 0;
    nic->incoming.count = 0;
    for (uint16_t buffer = 0; buffer < FRAME_HALF; buffer++) {
        if (nic->end.is_held[buffer]) {
            nic->spare[nic->spare_count++] = buffer;
        }
    }
    for (uint16_t buffer = FRAME_HALF; buffer < FRAME_BUFFERS; buffer++) {
        if (nic->end.is_held[buffer]) {
            nic_lent_release(nic, buffer);
            TRY(frame_give(&nic->end, FRAME_TRANSMITTED, (struct frame) {.buffer = buffer}));
        }
    }
    return OK;
}

status_t nic_start(struct nic *nic) {
    TRY(agree(nic));
    TRY(start_queue(nic, NIC_RECEIVE, &nic->receive));
    TRY(start_queue(nic, NIC_TRANSMIT, &nic->transmit));
    choose_offloads(nic);
    TRY(nic_read_link(nic));
    TRY(collect_buffers(nic));
    virtio_start(&nic->device);
    nic->is_running = true;
    nic_refill(nic);
    return OK;
}

status_t nic_stop(struct nic *nic) {
    nic->is_running = false;
    return virtio_reset(&nic->device);
}
