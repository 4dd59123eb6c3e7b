// A network device and a client for the driver's tests: the registers are variables, the rings are the driver's own.
#include "card.h"

COMPONENT(nic_test); // the framework wants one

struct registers registers;

static uint8_t get_status(struct virtio_device *device) {
    (void) device;
    return registers.is_dead ? 1 : registers.status;
}

static void set_status(struct virtio_device *device, uint8_t status) {
    (void) device;
    registers.status = registers.refuses ? status & ~8 : status;
}

static uint64_t get_features(struct virtio_device *device) {
    (void) device;
    return registers.offered;
}

static void set_features(struct virtio_device *device, uint64_t features) {
    (void) device;
    registers.accepted = features;
}

static void route_interrupts(struct virtio_device *device) {
    (void) device;
}

static uint16_t get_queue_limit(struct virtio_device *device, uint16_t index) {
    (void) device;
    return index < 2 ? registers.limit : 0;
}

struct fake_virtqueue queues[2];

static status_t start_queue(struct virtio_device *device, uint16_t index, const struct virtqueue *queue) {
    (void) device;
    queues[index] = (struct fake_virtqueue) {.queue = (struct virtqueue *) queue};
    return OK;
}

static void notify(struct virtio_device *device, uint16_t index) {
    (void) device;
    registers.notified[index]++;
}

static uint8_t get_config_generation(struct virtio_device *device) {
    (void) device;
    return 0;
}

static const struct virtio_transport transport = {
    get_status,      set_status,  get_features, set_features,          route_interrupts,
    get_queue_limit, start_queue, notify,       get_config_generation, nullptr,
};

struct nic nic;
struct frame_end client;
struct frame_region region;
alignas(64) static uint8_t rings[16384];

status_t begin_with(uint64_t offered) {
    __builtin_memset(&registers, 0, sizeof(registers));
    registers.offered = offered;
    registers.limit = 256;
    __builtin_memcpy(registers.config, "\x52\x54\x00\x12\x34\x56\x01\x00", 8);
    nic = (struct nic) {.device = {.transport = &transport, .config = {registers.config, sizeof(registers.config)}}};
    nic.rings = (struct dma) {{}, rings, (uintptr_t) rings, 2 * virtqueue_bytes(NIC_QUEUE_SIZE)};
    nic.region = (struct dma) {{}, (uint8_t *) &region, (uintptr_t) &region, sizeof(region)};
    TRY(nic_identify(&nic));
    frame_begin(&nic.end, &region, FRAME_DRIVER, UINT32_MAX - 100);
    frame_begin(&client, &region, FRAME_CLIENT, UINT32_MAX - 100);
    return nic_start(&nic);
}

status_t begin(void) {
    return begin_with(OFFERED);
}

status_t run(void) {
    bool must_wake;
    return nic_run(&nic, &must_wake);
}

// The device receives a frame into the next buffer.
bool receive(uint32_t length, uint16_t buffers) {
    struct fake_chain chain;
    if (!fake_virtqueue_next(&queues[NIC_RECEIVE], &chain)) {
        return false;
    }
    uint8_t *header = (uint8_t *) (uintptr_t) chain.segments[0].address;
    __builtin_memset(header, 0, NIC_HEADER_SIZE);
    header[10] = (uint8_t) buffers;
    header[11] = (uint8_t) (buffers >> 8);
    __builtin_memset(header + NIC_HEADER_SIZE, (int) length, length < 100 ? length : 100);
    fake_virtqueue_use(&queues[NIC_RECEIVE], chain.id, length + NIC_HEADER_SIZE);
    return true;
}

bool transmit(uint16_t buffer, uint16_t length) {
    struct frame frame = {.buffer = buffer, .offset = FRAME_HEADROOM, .length = length};
    bool is_given = frame_give(&client, FRAME_TRANSMIT, frame) == OK;
    frame_publish(&client, FRAME_TRANSMIT);
    return is_given;
}

size_t count_received(uint32_t *out_length) {
    struct frame part;
    size_t count = 0;
    *out_length = 0;
    while (frame_take(&client, FRAME_RECEIVED, &part) == OK) {
        count++;
        *out_length += part.length;
    }
    return count;
}

void transmit_parts(uint16_t buffer, uint32_t length, uint8_t flags, struct frame_offload offload) {
    bool is_first = true;
    for (uint16_t size; length > 0; length -= size) {
        size = length < FRAME_ROOM ? (uint16_t) length : FRAME_ROOM;
        uint8_t own = (uint8_t) (is_first ? flags : 0) | (size < length ? FRAME_MORE : 0);
        struct frame part = {.buffer = buffer++, .offset = FRAME_HEADROOM, .length = size, .flags = own};
        if (is_first) {
            frame_write_offload(&client, part, offload);
        }
        (void) !frame_give(&client, FRAME_TRANSMIT, part);
        is_first = false;
    }
    frame_publish(&client, FRAME_TRANSMIT);
}

size_t count_returned(void) {
    struct frame frame;
    size_t count = 0;
    while (frame_take(&client, FRAME_TRANSMITTED, &frame) == OK) {
        count++;
    }
    return count;
}
