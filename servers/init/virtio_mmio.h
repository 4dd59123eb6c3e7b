// How the command line declares a virtio device behind memory-mapped registers.
#pragma once

#include <starina/types.h>

struct virtio_mmio_declaration {
    uint64_t address;
    uint64_t size;
    uint32_t line;
};

// Reads SIZE@ADDRESS:LINE, optionally :ID, as Linux writes it. ERR_MALFORMED
status_t virtio_mmio_parse(bytes_t text, struct virtio_mmio_declaration *out_declaration);
