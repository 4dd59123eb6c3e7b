// A virtio 1.x device over MMIO or PCI: finding it, agreeing on features, its queues, configuration and interrupts.
//
// A driver calls virtio_open once, then, at the start and after each failure: virtio_negotiate, virtio_queue_start for
// each queue, virtio_start. What the device says is checked here; see virtqueue.h for what it writes into the rings.
#pragma once

#include <driver/mmio.h>
#include <virtio/virtqueue.h>

enum virtio_id : uint32_t { VIRTIO_NETWORK = 1, VIRTIO_BLOCK = 2, VIRTIO_CONSOLE = 3 };

enum : uint64_t { VIRTIO_EVENT_INDEX = 1ull << 29, VIRTIO_VERSION_1 = 1ull << 32 }; // virtio 1.2 §6

enum virtio_cause : uint32_t { VIRTIO_QUEUE_USED = 1, VIRTIO_CONFIG_CHANGED = 2 };

enum { VIRTIO_QUEUES_MAX = 6, VIRTIO_VECTORS_MAX = 2 };

struct virtio_device;

// What differs between buses.
struct virtio_transport {
    uint8_t (*get_status)(struct virtio_device *device);
    void (*set_status)(struct virtio_device *device, uint8_t status);
    uint64_t (*get_features)(struct virtio_device *device);
    void (*set_features)(struct virtio_device *device, uint64_t features);
    void (*route_interrupts)(struct virtio_device *device);
    uint16_t (*get_queue_limit)(struct virtio_device *device, uint16_t index); // 0: no such queue
    status_t (*start_queue)(struct virtio_device *device, uint16_t index, const struct virtqueue *queue);
    void (*notify)(struct virtio_device *device, uint16_t index);
    uint8_t (*get_config_generation)(struct virtio_device *device);
    uint32_t (*get_cause)(struct virtio_device *device); // reads and clears it; nullptr: each vector has its own
};

struct virtio_vector {
    struct virtio_device *device;
    interrupt_t interrupt;
    uint32_t cause; // enum virtio_cause, if the vector alone tells
};

struct virtio_device {
    const struct virtio_transport *transport;
    struct mmio registers; // PCI: the common configuration
    struct mmio config;    // the device's own fields
    struct mmio notify;    // PCI
    uint32_t notify_multiplier;
    struct mmio doorbells[VIRTIO_QUEUES_MAX];
    struct virtio_vector vectors[VIRTIO_VECTORS_MAX];
    uint16_t vector_count;
    uint64_t features; // agreed on
    void (*on_interrupt)(void *context, uint32_t causes);
    void *context;
};

// Maps the device. It stays in place: interrupts point at it. ERR_NOT_SUPPORTED: not a modern virtio device of this id
status_t virtio_open(const struct device *found, enum virtio_id id, struct virtio_device *device);
status_t virtio_mmio_open(const struct device *found, enum virtio_id id, struct virtio_device *device);
status_t virtio_pci_open(const struct device *found, enum virtio_id id, struct virtio_device *device);

// Calls `on_cause` on the main loop with what happened: bits of enum virtio_cause.
status_t virtio_listen(struct virtio_device *device, void (*on_cause)(void *context, uint32_t causes), void *context);

// Ends all that the device was doing: from then on it touches no memory. ERR_IO: it does not answer
status_t virtio_reset(struct virtio_device *device);

// Resets it and agrees on those of the `wanted` features that it offers, VERSION_1 always. ERR_NOT_SUPPORTED
status_t virtio_negotiate(struct virtio_device *device, uint64_t wanted);

// Size for a queue: what the device takes, at most `wanted`. 0: it has no such queue
uint16_t virtio_queue_size(struct virtio_device *device, uint16_t index, uint16_t wanted);
status_t virtio_queue_start(struct virtio_device *device, uint16_t index, const struct virtqueue *queue);
void virtio_start(struct virtio_device *device);
bool virtio_needs_reset(struct virtio_device *device);

static inline bool virtio_has(const struct virtio_device *device, uint64_t feature) {
    return (device->features & feature) != 0;
}

static inline void virtio_notify(struct virtio_device *device, uint16_t index) {
    device->transport->notify(device, index);
}

// Copies bytes of the device's own configuration, consistent with one another. ERR_IO: outside, or it never rests
status_t virtio_config(struct virtio_device *device, size_t offset, void *destination, size_t size);
