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

// Reserves far more than the machine has, which is nobody's loss, and touches of it more than it may.
int act_reserve(void) {
    enum : uint64_t { SIZE = 8ull << 30, STEP = 64ull << 20 };
    folio_t folio;
    uint64_t address;
    status_t status = folio_create(SIZE, FOLIO_SPARSE, &folio);
    status = status == OK ? vmspace_map(folio, 0, SIZE, MAP_READ | MAP_WRITE | MAP_MAY_FAULT, &address) : status;
    if (status != OK) {
        log_error("can't reserve: %s", status_name(status));
        return 1;
    }
    volatile uint8_t *memory = (volatile uint8_t *) (uintptr_t) address;
    for (uint64_t offset = 0; offset < SIZE; offset += STEP) {
        memory[offset] = 1;
    }
    log_warn("touched %llu pages of 8 GiB", (unsigned long long) (SIZE / STEP));
    for (uint64_t offset = 0; offset < SIZE; offset += PAGE_SIZE) {
        memory[offset] = 1;
    }
    return 0;
}
