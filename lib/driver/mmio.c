// Maps device registers.
#include <driver/mmio.h>

status_t mmio_map(const struct device_region *region, struct mmio *out_mmio) {
    if (region->folio.handle == HANDLE_INVALID) {
        return ERR_NOT_FOUND;
    }
    uint64_t size, address;
    TRY(folio_info(region->folio, &size));
    TRY(vmspace_map(region->folio, 0, size, MAP_READ | MAP_WRITE, &address));
    struct mmio whole = {(volatile uint8_t *) (uintptr_t) address, size};
    return mmio_slice(whole, region->offset, region->size, out_mmio);
}

status_t mmio_slice(struct mmio mmio, size_t offset, size_t size, struct mmio *out_part) {
    if (offset > mmio.size || size > mmio.size - offset) {
        return ERR_MALFORMED;
    }
    *out_part = (struct mmio) {mmio.base + offset, size};
    return OK;
}
