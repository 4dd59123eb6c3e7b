// Makes memory for devices, and tells them where other components' memory lies.
#include <driver/dma.h>

// Any of the device's registers show that it is ours to drive.
static folio_t registers_of(const struct device *device) {
    unsigned region = 0;
    while (region < DEVICE_REGIONS_MAX - 1 && device->regions[region].folio.handle == HANDLE_INVALID) {
        region++;
    }
    return device->regions[region].folio;
}

status_t dma_create(const struct device *device, size_t size, struct dma *out_dma) {
    struct dma dma = {.size = size};
    uint64_t address;
    TRY(folio_create(size, FOLIO_CONTIGUOUS, &dma.folio));
    TRY(folio_dma_address(dma.folio, registers_of(device), 0, &dma.address));
    TRY(vmspace_map(dma.folio, 0, size, MAP_READ | MAP_WRITE, &address));
    dma.memory = (uint8_t *) (uintptr_t) address;
    *out_dma = dma;
    return OK;
}

status_t dma_pin(const struct device *device, folio_t folio, uint64_t offset, uint64_t *out_address) {
    return folio_dma_address(folio, registers_of(device), offset, out_address);
}

void dma_unpin(folio_t folio) {
    (void) folio_dma_end(folio); // it was pinned, and by a handle with the right
}
