// Walks the capabilities of a virtio PCI device (virtio 1.2 §4.1.4, PCI 3.0 §6.7 and §6.8.2).
#include <virtio/pci_layout.h>

enum : uint32_t {
    VENDOR_VIRTIO = 0x1af4,
    DEVICE_MODERN = 0x1040,       // plus the virtio id
    DEVICE_TRANSITIONAL = 0x1000, // up to 0x103f; the virtio id is in the subsystem id
    CAPABILITY_MSIX = 0x11,
    CAPABILITY_VENDOR = 0x09,
    VIRTIO_COMMON = 1,
    VIRTIO_NOTIFY = 2,
    VIRTIO_CONFIG = 4,
    MSIX_ENTRY_SIZE = 16,
    MSIX_COUNT_MASK = 0x7ff,
    MSIX_BAR_MASK = 7,
};
enum {
    DEVICE_ID = 2,
    SUBSYSTEM_ID = 0x2e,
    CAPABILITIES = 0x34,
    CAPABILITIES_FIRST = 0x40,
    CAPABILITIES_MAX = (PCI_CONFIG_SIZE - CAPABILITIES_FIRST) / 4, // more would be a loop
};

static uint32_t read16(const uint8_t *config, size_t at) {
    return (uint32_t) config[at] | (uint32_t) config[at + 1] << 8;
}

static uint32_t read32(const uint8_t *config, size_t at) {
    return read16(config, at) | read16(config, at + 2) << 16;
}

static uint32_t virtio_id_of(const uint8_t *config) {
    uint32_t device = read16(config, DEVICE_ID);
    if (read16(config, 0) != VENDOR_VIRTIO || device < DEVICE_TRANSITIONAL || device >= DEVICE_MODERN + 64) {
        return 0;
    }
    return device >= DEVICE_MODERN ? device - DEVICE_MODERN : read16(config, SUBSYSTEM_ID);
}

// The first of a kind is the device's preferred one.
static void set_part(struct pci_part *part, uint8_t bar, uint32_t offset, uint32_t size) {
    if (part->size == 0 && bar < PCI_BARS_MAX) {
        *part = (struct pci_part) {offset, size, bar};
    }
}

static void read_virtio(const uint8_t *config, size_t at, struct pci_layout *layout) {
    enum { LENGTH = 16, NOTIFY_LENGTH = 20 };
    if (config[at + 2] < LENGTH || at + LENGTH > PCI_CONFIG_SIZE) {
        return;
    }
    uint8_t bar = config[at + 4];
    uint32_t offset = read32(config, at + 8), size = read32(config, at + 12);
    if (config[at + 3] == VIRTIO_COMMON) {
        set_part(&layout->common, bar, offset, size);
    } else if (config[at + 3] == VIRTIO_CONFIG) {
        set_part(&layout->config, bar, offset, size);
    } else if (config[at + 3] == VIRTIO_NOTIFY && layout->notify.size == 0 && at + NOTIFY_LENGTH <= PCI_CONFIG_SIZE) {
        set_part(&layout->notify, bar, offset, size);
        layout->notify_multiplier = read32(config, at + LENGTH);
    }
}

static void read_msix(const uint8_t *config, size_t at, struct pci_layout *layout) {
    enum { LENGTH = 12 };
    if (at + LENGTH <= PCI_CONFIG_SIZE) {
        uint32_t count = (read16(config, at + 2) & MSIX_COUNT_MASK) + 1;
        uint32_t table = read32(config, at + 4);
        set_part(&layout->msix_table, table & MSIX_BAR_MASK, table & ~MSIX_BAR_MASK, count * MSIX_ENTRY_SIZE);
    }
}

void pci_layout_read(const uint8_t config[static PCI_CONFIG_SIZE], struct pci_layout *out_layout) {
    *out_layout = (struct pci_layout) {.virtio_id = virtio_id_of(config)};
    size_t at = config[CAPABILITIES] & ~3u;
    for (unsigned i = 0; i < CAPABILITIES_MAX && at >= CAPABILITIES_FIRST; i++) {
        if (config[at] == CAPABILITY_VENDOR) {
            read_virtio(config, at, out_layout);
        } else if (config[at] == CAPABILITY_MSIX) {
            read_msix(config, at, out_layout);
        }
        at = config[at + 1] & ~3u;
    }
}
