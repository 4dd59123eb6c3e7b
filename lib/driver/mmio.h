// Device registers: accesses of exactly the stated width, in program order with memory that the device reads or writes.
#pragma once

#include <driver/device.h>

#include <stdatomic.h>

// A part of a device's registers. Whoever makes one checks that it is large enough; offsets into it are constants.
struct mmio {
    volatile uint8_t *base;
    size_t size;
};

// Maps a device's region. ERR_NOT_FOUND: the device has none; ERR_MALFORMED: it is not inside its folio
status_t mmio_map(const struct device_region *region, struct mmio *out_mmio);

// ERR_MALFORMED: the part is not inside
status_t mmio_slice(struct mmio mmio, size_t offset, size_t size, struct mmio *out_part);

// What was written to memory before a register is written is visible to the device, and what a register says is read
// before memory that it speaks of.
#define MMIO_DEFINE(width)                                                                            \
    static inline uint##width##_t mmio_read##width(struct mmio mmio, size_t offset) {                 \
        uint##width##_t value = *(volatile uint##width##_t *) (volatile void *) (mmio.base + offset); \
        atomic_thread_fence(memory_order_acquire);                                                    \
        return value;                                                                                 \
    }                                                                                                 \
    static inline void mmio_write##width(struct mmio mmio, size_t offset, uint##width##_t value) {    \
        atomic_thread_fence(memory_order_release);                                                    \
        *(volatile uint##width##_t *) (volatile void *) (mmio.base + offset) = value;                 \
    }
MMIO_DEFINE(8)
MMIO_DEFINE(16)
MMIO_DEFINE(32)

// Registers of 64 bits are two of 32: not every device takes wider accesses.
static inline void mmio_write64(struct mmio mmio, size_t offset, uint64_t value) {
    mmio_write32(mmio, offset, (uint32_t) value);
    mmio_write32(mmio, offset + 4, (uint32_t) (value >> 32));
}
