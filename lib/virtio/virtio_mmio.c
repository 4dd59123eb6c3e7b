// virtio over MMIO, version 2 (virtio 1.2 §4.2).
#include <virtio/virtio.h>

enum : uint32_t { MAGIC_VALUE = 0x74726976, VERSION_MODERN = 2 }; // "virt"

// §4.2.2
enum {
    MAGIC = 0x000,
    VERSION = 0x004,
    DEVICE_ID = 0x008,
    DEVICE_FEATURES = 0x010,
    DEVICE_FEATURES_SELECT = 0x014,
    DRIVER_FEATURES = 0x020,
    DRIVER_FEATURES_SELECT = 0x024,
    QUEUE_SELECT = 0x030,
    QUEUE_SIZE_MAX = 0x034,
    QUEUE_SIZE = 0x038,
    QUEUE_READY = 0x044,
    QUEUE_NOTIFY = 0x050,
    INTERRUPT_STATUS = 0x060,
    INTERRUPT_ACKNOWLEDGE = 0x064,
    STATUS = 0x070,
    QUEUE_DESCRIPTORS = 0x080,
    QUEUE_AVAILABLE = 0x090,
    QUEUE_USED = 0x0a0,
    CONFIG_GENERATION = 0x0fc,
    CONFIG = 0x100,
};

static uint8_t get_status(struct virtio_device *device) {
    return (uint8_t) mmio_read32(device->registers, STATUS);
}

static void set_status(struct virtio_device *device, uint8_t status) {
    mmio_write32(device->registers, STATUS, status);
}

static uint64_t get_features(struct virtio_device *device) {
    uint64_t features = 0;
    for (uint32_t half = 0; half < 2; half++) {
        mmio_write32(device->registers, DEVICE_FEATURES_SELECT, half);
        features |= (uint64_t) mmio_read32(device->registers, DEVICE_FEATURES) << (32 * half);
    }
    return features;
}

static void set_features(struct virtio_device *device, uint64_t features) {
    for (uint32_t half = 0; half < 2; half++) {
        mmio_write32(device->registers, DRIVER_FEATURES_SELECT, half);
        mmio_write32(device->registers, DRIVER_FEATURES, (uint32_t) (features >> (32 * half)));
    }
}

// There is one line, and nothing to choose.
static void route_interrupts(struct virtio_device *device) {
    (void) device;
}

static uint16_t get_queue_limit(struct virtio_device *device, uint16_t index) {
    mmio_write32(device->registers, QUEUE_SELECT, index);
    uint32_t limit = mmio_read32(device->registers, QUEUE_SIZE_MAX);
    return limit < UINT16_MAX ? (uint16_t) limit : UINT16_MAX;
}

static status_t start_queue(struct virtio_device *device, uint16_t index, const struct virtqueue *queue) {
    mmio_write32(device->registers, QUEUE_SELECT, index);
    mmio_write32(device->registers, QUEUE_SIZE, queue->size);
    mmio_write64(device->registers, QUEUE_DESCRIPTORS, queue->descriptors_address);
    mmio_write64(device->registers, QUEUE_AVAILABLE, queue->available_address);
    mmio_write64(device->registers, QUEUE_USED, queue->used_address);
    mmio_write32(device->registers, QUEUE_READY, 1);
    return mmio_read32(device->registers, QUEUE_READY) == 1 ? OK : ERR_IO;
}

static void notify(struct virtio_device *device, uint16_t index) {
    mmio_write32(device->registers, QUEUE_NOTIFY, index);
}

static uint8_t get_config_generation(struct virtio_device *device) {
    return (uint8_t) mmio_read32(device->registers, CONFIG_GENERATION);
}

static uint32_t get_cause(struct virtio_device *device) {
    uint32_t cause = mmio_read32(device->registers, INTERRUPT_STATUS) & (VIRTIO_QUEUE_USED | VIRTIO_CONFIG_CHANGED);
    if (cause != 0) {
        mmio_write32(device->registers, INTERRUPT_ACKNOWLEDGE, cause);
    }
    return cause;
}

static const struct virtio_transport transport = {
    .get_status = get_status,
    .set_status = set_status,
    .get_features = get_features,
    .set_features = set_features,
    .route_interrupts = route_interrupts,
    .get_queue_limit = get_queue_limit,
    .start_queue = start_queue,
    .notify = notify,
    .get_config_generation = get_config_generation,
    .get_cause = get_cause,
};

status_t virtio_mmio_open(const struct device *found, enum virtio_id id, struct virtio_device *device) {
    struct mmio whole;
    TRY(mmio_map(&found->regions[0], &whole));
    TRY(mmio_slice(whole, 0, CONFIG, &device->registers));
    TRY(mmio_slice(whole, CONFIG, whole.size - CONFIG, &device->config));
    device->transport = &transport;
    device->vectors[0].interrupt = found->interrupts[0].interrupt;
    device->vector_count = 1;
    bool is_virtio = mmio_read32(whole, MAGIC) == MAGIC_VALUE && mmio_read32(whole, VERSION) == VERSION_MODERN;
    return is_virtio && mmio_read32(whole, DEVICE_ID) == id ? OK : ERR_NOT_SUPPORTED;
}
