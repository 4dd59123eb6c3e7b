// Bodies for tests.
#include "test_body.h"

static folio_t folio;

bool test_body_is_enabled(void) {
    return folio.handle != HANDLE_INVALID;
}

folio_t test_body_folio(void) {
    return folio;
}

status_t test_body_init(void) {
    if (config_u64("test_bodies", 0) != 1) {
        return OK;
    }
    uint64_t address;
    TRY(folio_create(TEST_BODY_PERIOD, FOLIO_CONTIGUOUS, &folio));
    TRY(vmspace_map(folio, 0, TEST_BODY_PERIOD, MAP_READ | MAP_WRITE, &address));
    uint8_t *bytes = (uint8_t *) (uintptr_t) address;
    uint32_t state = 1;
    for (size_t i = 0; i < TEST_BODY_PERIOD; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (uint8_t) (state >> 24);
    }
    return vmspace_unmap(address);
}

status_t test_body_size(const char *path, uint64_t *out_size) {
    bytes_t digits = bytes_from_string(path + strlen(TEST_BODY_PATH));
    return bytes_to_u64(digits, out_size) == OK && *out_size <= 1u << 30 ? OK : ERR_NOT_FOUND;
}
