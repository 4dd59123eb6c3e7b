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

// The same for a contiguous folio of somebody else, which its handle lets devices use: keeps it where it is, also should the
// component end, until dma_unpin. `out_address`: of the byte at `offset`, which lies in it
status_t dma_pin(const struct device *device, folio_t folio, uint64_t offset, uint64_t *out_address);
void dma_unpin(folio_t folio);
