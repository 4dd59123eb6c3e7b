// What all virtio devices do in the same order: reset, features, queues, start, configuration (virtio 1.2 §3.1).
#include <virtio/virtio.h>

enum : uint8_t {
    STATUS_ACKNOWLEDGE = 1,
    STATUS_DRIVER = 2,
    STATUS_DRIVER_OK = 4,
    STATUS_FEATURES_OK = 8,
    STATUS_NEEDS_RESET = 64,
    STATUS_FAILED = 128,
}; // §2.1
enum { RESET_READS_MAX = 100000, CONFIG_READS_MAX = 100 };

status_t virtio_open(const struct device *found, enum virtio_id id, struct virtio_device *device) {
    *device = (struct virtio_device) {};
    switch (found->transport) {
    case DEVICE_VIRTIO_MMIO:
        return virtio_mmio_open(found, id, device);
    case DEVICE_VIRTIO_PCI:
        return virtio_pci_open(found, id, device);
    }
    return ERR_NOT_SUPPORTED;
}

status_t virtio_reset(struct virtio_device *device) {
    device->transport->set_status(device, 0);
    for (unsigned i = 0; i < RESET_READS_MAX; i++) { // §4.1.4.3.2: until it reads 0
        if (device->transport->get_status(device) == 0) {
            return OK;
        }
    }
    return ERR_IO;
}

status_t virtio_negotiate(struct virtio_device *device, uint64_t wanted) {
    TRY(virtio_reset(device));
    const struct virtio_transport *transport = device->transport;
    transport->set_status(device, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    device->features = transport->get_features(device) & (wanted | VIRTIO_VERSION_1);
    uint8_t status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK;
    if (virtio_has(device, VIRTIO_VERSION_1)) {
        transport->set_features(device, device->features);
        transport->set_status(device, status);
        if ((transport->get_status(device) & STATUS_FEATURES_OK) != 0) {
            transport->route_interrupts(device);
            return OK;
        }
    }
    transport->set_status(device, STATUS_FAILED);
    return ERR_NOT_SUPPORTED;
}

uint16_t virtio_queue_size(struct virtio_device *device, uint16_t index, uint16_t wanted) {
    uint16_t limit = device->transport->get_queue_limit(device, index);
    limit = limit < VIRTQUEUE_SIZE_MAX ? limit : VIRTQUEUE_SIZE_MAX;
    uint16_t size = wanted;
    while (size > limit) {
        size /= 2; // stays a power of two
    }
    return size;
}

status_t virtio_queue_start(struct virtio_device *device, uint16_t index, const struct virtqueue *queue) {
    return index < VIRTIO_QUEUES_MAX ? device->transport->start_queue(device, index, queue) : ERR_INVALID_ARGUMENT;
}

void virtio_start(struct virtio_device *device) {
    uint8_t status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK;
    device->transport->set_status(device, status);
}

bool virtio_needs_reset(struct virtio_device *device) {
    return (device->transport->get_status(device) & STATUS_NEEDS_RESET) != 0;
}

// By bytes: every device takes those, and a field is read rarely.
status_t virtio_config(struct virtio_device *device, size_t offset, void *destination, size_t size) {
    struct mmio part;
    TRY(mmio_slice(device->config, offset, size, &part));
    for (unsigned tries = 0; tries < CONFIG_READS_MAX; tries++) {
        uint8_t generation = device->transport->get_config_generation(device);
        for (size_t i = 0; i < size; i++) {
            ((uint8_t *) destination)[i] = mmio_read8(part, i);
        }
        if (device->transport->get_config_generation(device) == generation) { // §2.5.1
            return OK;
        }
    }
    return ERR_IO;
}
