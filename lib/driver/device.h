// The devices that a driver's manifest lists, as init handed them over.
#pragma once

#include <starina/component.h>

enum { DEVICES_MAX = 4, DEVICE_REGIONS_MAX = 6, DEVICE_INTERRUPTS_MAX = 4, DEVICE_CONFIG_SIZE = 256 };

enum device_transport : uint32_t { DEVICE_VIRTIO_MMIO = 1, DEVICE_VIRTIO_PCI = 2 };

// Registers of a device: whole pages, of which `size` bytes from `offset` on are the registers. No folio: none.
struct device_region {
    folio_t folio;
    uint64_t offset;
    uint64_t size;
};

struct device_interrupt {
    interrupt_t interrupt;    // masked until its first acknowledge; no handle: none
    uint64_t message_address; // MSI-X: for the table's entry; 0 for a line
    uint32_t message_data;
};

struct device {
    enum device_transport transport;
    uint8_t config[DEVICE_CONFIG_SIZE];                        // PCI: a copy of the configuration space
    struct device_region regions[DEVICE_REGIONS_MAX];          // [0] for MMIO, by the BAR's number for PCI
    struct device_interrupt interrupts[DEVICE_INTERRUPTS_MAX]; // [0] for a line, by the MSI-X table's entry
};

// The index-th device of the manifest. ERR_NOT_FOUND
status_t device_get(unsigned index, struct device *out_device);

// Calls `handle` on the main loop each time the interrupt came. The first acknowledge enables it.
status_t on_interrupt(interrupt_t interrupt, void (*handle)(void *context), void *context);
