// Memory that a device reads and writes by itself.
#pragma once

#include <driver/device.h>

struct dma {
    folio_t folio;
    uint8_t *memory;
    uint64_t address; // as the device sees it
    size_t size;
};

// Zeroed, physically contiguous, mapped; for this device. It lives as long as the component.
status_t dma_create(const struct device *device, size_t size, struct dma *out_dma);
