// virtio over PCI, modern interface with MSI-X (virtio 1.2 §4.1).
//
// Init has assigned the BARs and switched on memory, bus mastering and MSI-X; the table's entries are written here.
#include <virtio/pci_layout.h>
#include <virtio/virtio.h>

static_assert(PCI_CONFIG_SIZE == DEVICE_CONFIG_SIZE && PCI_BARS_MAX == DEVICE_REGIONS_MAX);

// §4.1.4.3
enum {
    DEVICE_FEATURES_SELECT = 0x00,
    DEVICE_FEATURES = 0x04,
    DRIVER_FEATURES_SELECT = 0x08,
    DRIVER_FEATURES = 0x0c,
    CONFIG_VECTOR = 0x10,
    STATUS = 0x14,
    CONFIG_GENERATION = 0x15,
    QUEUE_SELECT = 0x16,
    QUEUE_SIZE = 0x18,
    QUEUE_VECTOR = 0x1a,
    QUEUE_ENABLE = 0x1c,
    QUEUE_NOTIFY_OFFSET = 0x1e,
    QUEUE_DESCRIPTORS = 0x20,
    QUEUE_AVAILABLE = 0x28,
    QUEUE_USED = 0x30,
    COMMON_SIZE = 0x38,
};

// PCI 3.0 §6.8.2.6
enum { MSIX_ADDRESS = 0, MSIX_DATA = 8, MSIX_CONTROL = 12, MSIX_ENTRY_SIZE = 16 };

static uint8_t get_status(struct virtio_device *device) {
    return mmio_read8(device->registers, STATUS);
}

static void set_status(struct virtio_device *device, uint8_t status) {
    mmio_write8(device->registers, STATUS, status);
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

// The first entry is for configuration changes, the last one for all queues; they are the same if there is one.
static void route_interrupts(struct virtio_device *device) {
    mmio_write16(device->registers, CONFIG_VECTOR, 0);
}

static uint16_t get_queue_limit(struct virtio_device *device, uint16_t index) {
    mmio_write16(device->registers, QUEUE_SELECT, index);
    return mmio_read16(device->registers, QUEUE_SIZE);
}

static status_t find_doorbell(struct virtio_device *device, uint16_t index) {
    uint64_t offset = (uint64_t) mmio_read16(device->registers, QUEUE_NOTIFY_OFFSET) * device->notify_multiplier;
    return mmio_slice(device->notify, offset, sizeof(uint16_t), &device->doorbells[index]);
}

static status_t start_queue(struct virtio_device *device, uint16_t index, const struct virtqueue *queue) {
    uint16_t vector = device->vector_count - 1;
    mmio_write16(device->registers, QUEUE_SELECT, index);
    TRY(find_doorbell(device, index));
    mmio_write16(device->registers, QUEUE_SIZE, queue->size);
    mmio_write16(device->registers, QUEUE_VECTOR, vector);
    mmio_write64(device->registers, QUEUE_DESCRIPTORS, queue->descriptors_address);
    mmio_write64(device->registers, QUEUE_AVAILABLE, queue->available_address);
    mmio_write64(device->registers, QUEUE_USED, queue->used_address);
    mmio_write16(device->registers, QUEUE_ENABLE, 1);
    // §4.1.5.1.3: it reads differently if the device has no resources for it.
    return mmio_read16(device->registers, QUEUE_VECTOR) == vector ? OK : ERR_IO;
}

static void notify(struct virtio_device *device, uint16_t index) {
    mmio_write16(device->doorbells[index], 0, index);
}

static uint8_t get_config_generation(struct virtio_device *device) {
    return mmio_read8(device->registers, CONFIG_GENERATION);
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
};

// Each BAR is mapped once for all the parts in it.
static status_t map_part(const struct device *found, struct mmio *bars, const struct pci_part *part, struct mmio *out_part) {
    if (part->size == 0) {
        return ERR_NOT_SUPPORTED;
    }
    if (bars[part->bar].base == nullptr) {
        TRY(mmio_map(&found->regions[part->bar], &bars[part->bar]));
    }
    return mmio_slice(bars[part->bar], part->offset, part->size, out_part);
}

static status_t program_msix(const struct device *found, struct mmio table, struct virtio_device *device) {
    for (unsigned i = 0; i < VIRTIO_VECTORS_MAX && found->interrupts[i].interrupt.handle != HANDLE_INVALID; i++) {
        const struct device_interrupt *interrupt = &found->interrupts[i];
        struct mmio entry;
        if (interrupt->message_address == 0 || mmio_slice(table, i * MSIX_ENTRY_SIZE, MSIX_ENTRY_SIZE, &entry) != OK) {
            break;
        }
        mmio_write64(entry, MSIX_ADDRESS, interrupt->message_address);
        mmio_write32(entry, MSIX_DATA, interrupt->message_data);
        mmio_write32(entry, MSIX_CONTROL, 0); // not masked
        device->vectors[i].interrupt = interrupt->interrupt;
        device->vectors[i].cause = i == 0 ? VIRTIO_CONFIG_CHANGED : VIRTIO_QUEUE_USED;
        device->vector_count = (uint16_t) (i + 1);
    }
    if (device->vector_count == 1) {
        device->vectors[0].cause = VIRTIO_CONFIG_CHANGED | VIRTIO_QUEUE_USED;
    }
    return device->vector_count != 0 ? OK : ERR_NOT_SUPPORTED;
}

status_t virtio_pci_open(const struct device *found, enum virtio_id id, struct virtio_device *device) {
    struct pci_layout layout;
    struct mmio bars[PCI_BARS_MAX] = {}, table;
    pci_layout_read(found->config, &layout);
    if (layout.virtio_id != id || layout.common.size < COMMON_SIZE) {
        return ERR_NOT_SUPPORTED;
    }
    TRY(map_part(found, bars, &layout.common, &device->registers));
    TRY(map_part(found, bars, &layout.config, &device->config));
    TRY(map_part(found, bars, &layout.notify, &device->notify));
    TRY(map_part(found, bars, &layout.msix_table, &table));
    device->notify_multiplier = layout.notify_multiplier;
    device->transport = &transport;
    return program_msix(found, table, device);
}
