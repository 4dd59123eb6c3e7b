// Makes memory for devices.
#include <driver/dma.h>

status_t dma_create(size_t size, struct dma *out_dma) {
    struct dma dma = {.size = size};
    uint64_t address;
    TRY(folio_create(size, FOLIO_CONTIGUOUS, &dma.folio));
    TRY(folio_dma_address(dma.folio, 0, &dma.address));
    TRY(vmspace_map(dma.folio, 0, size, MAP_READ | MAP_WRITE, &address));
    dma.memory = (uint8_t *) (uintptr_t) address;
    *out_dma = dma;
    return OK;
}
