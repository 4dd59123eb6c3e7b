// Where a virtio PCI device's structures lie, as the capabilities in its configuration space say.
#pragma once

#include <starina/types.h>

enum { PCI_CONFIG_SIZE = 256, PCI_BARS_MAX = 6 };

// A part of a BAR. Size 0: the device does not have it.
struct pci_part {
    uint32_t offset;
    uint32_t size;
    uint8_t bar;
};

struct pci_layout {
    uint32_t virtio_id; // 0: not a virtio device
    struct pci_part common, notify, config;
    uint32_t notify_multiplier;
    struct pci_part msix_table;
};

// Reads a copy of the configuration space, which is the device's word: whatever is nonsense is skipped.
void pci_layout_read(const uint8_t config[static PCI_CONFIG_SIZE], struct pci_layout *out_layout);
