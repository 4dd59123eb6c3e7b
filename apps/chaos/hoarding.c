// Takes all it can get, and a thousand times more.
#include "chaos.h"

enum { CHUNK_SIZE = 64 << 10, REFUSALS_MAX = 1000 };

static void touch(uint64_t address) {
    for (size_t offset = 0; offset < CHUNK_SIZE; offset += PAGE_SIZE) {
        *(volatile uint8_t *) (uintptr_t) (address + offset) = 1;
    }
}

static status_t allocate_chunk(void) {
    folio_t folio;
    uint64_t address;
    TRY(folio_create(CHUNK_SIZE, 0, &folio));
    status_t status = vmspace_map(folio, 0, CHUNK_SIZE, MAP_READ | MAP_WRITE, &address);
    if (status == OK) {
        touch(address);
    }
    (void) handle_close(folio.handle);
    return status;
}

int act_allocate(void) {
    unsigned chunks = 0, refusals = 0;
    status_t last = OK;
    while (refusals < REFUSALS_MAX) {
        status_t status = allocate_chunk();
        if (status == OK) {
            chunks++;
        } else {
            last = status;
            refusals++;
        }
    }
    log_warn("got %u KiB, then %s", chunks * (CHUNK_SIZE >> 10), status_name(last));
    return 0;
}

int act_handles(void) {
    unsigned handles = 0, refusals = 0;
    status_t last = OK;
    while (refusals < REFUSALS_MAX) {
        ktimer_t timer;
        status_t status = timer_create(&timer);
        if (status == OK) {
            handles++;
        } else {
            last = status;
            refusals++;
        }
    }
    log_warn("got %u handles, then %s", handles, status_name(last));
    return 0;
}
