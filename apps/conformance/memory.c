// Handles, folios, mappings, and what a component may not do with pointers.
#include "conformance.h"

TEST("a closed handle's number names nothing any more, even when its place is used again") {
    folio_t first, second;
    EXPECT_EQ(folio_create(PAGE_SIZE, 0, &first), OK);
    EXPECT_EQ(handle_close(first.handle), OK);
    EXPECT_EQ(folio_create(PAGE_SIZE, 0, &second), OK);
    EXPECT(first.handle != second.handle);
    EXPECT_EQ(handle_close(first.handle), ERR_BAD_HANDLE);
    EXPECT_EQ(handle_close(second.handle), OK);
    EXPECT_EQ(handle_close(HANDLE_INVALID), ERR_BAD_HANDLE);
}

TEST("a handle names one type of object") {
    folio_t folio;
    EXPECT_EQ(folio_create(PAGE_SIZE, 0, &folio), OK);
    EXPECT_EQ(channel_send((channel_t) {folio.handle}), ERR_WRONG_TYPE);
    EXPECT_EQ(handle_close(folio.handle), OK);
}

TEST("a duplicate has no more rights than its original") {
    folio_t folio;
    handle_t readable, more;
    uint64_t address;
    EXPECT_EQ(folio_create(PAGE_SIZE, 0, &folio), OK);
    EXPECT_EQ(handle_duplicate(folio.handle, RIGHT_READ | RIGHT_DUPLICATE, &readable), OK);
    EXPECT_EQ(handle_duplicate(readable, RIGHT_READ | RIGHT_WRITE, &more), ERR_DENIED);
    EXPECT_EQ(vmspace_map((folio_t) {readable}, 0, PAGE_SIZE, MAP_READ | MAP_WRITE, &address), ERR_DENIED);
    EXPECT_EQ(vmspace_map((folio_t) {readable}, 0, PAGE_SIZE, MAP_READ, &address), OK);
    EXPECT_EQ(vmspace_unmap(address), OK);
    EXPECT_EQ(handle_close(readable), OK);
    EXPECT_EQ(handle_close(folio.handle), OK);
}

TEST("a folio's pages begin as zeroes and are shared by its mappings") {
    enum { SIZE = 3 * PAGE_SIZE };
    folio_t folio;
    uint64_t first, second, size;
    EXPECT_EQ(folio_create(SIZE, 0, &folio), OK);
    EXPECT_EQ(folio_info(folio, &size), OK);
    EXPECT_EQ(size, SIZE);
    EXPECT_EQ(vmspace_map(folio, 0, SIZE, MAP_READ | MAP_WRITE, &first), OK);
    EXPECT_EQ(vmspace_map(folio, PAGE_SIZE, PAGE_SIZE, MAP_READ, &second), OK);
    EXPECT_EQ(handle_close(folio.handle), OK); // mappings keep it
    volatile uint8_t *whole = (uint8_t *) first;
    volatile const uint8_t *part = (uint8_t *) second;
    for (size_t i = 0; i < SIZE; i += 512) {
        EXPECT_EQ(whole[i], 0);
    }
    whole[PAGE_SIZE + 5] = 42;
    EXPECT_EQ(part[5], 42);
    EXPECT_EQ(vmspace_unmap(first), OK);
    EXPECT_EQ(part[5], 42);
    EXPECT_EQ(vmspace_unmap(second), OK);
    EXPECT_EQ(vmspace_unmap(second), ERR_NOT_FOUND);
}

TEST("mappings outside the folio, or writable and executable, are refused") {
    folio_t folio;
    uint64_t address;
    EXPECT_EQ(folio_create(PAGE_SIZE, 0, &folio), OK);
    EXPECT_EQ(vmspace_map(folio, 0, 2 * PAGE_SIZE, MAP_READ, &address), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(vmspace_map(folio, PAGE_SIZE, PAGE_SIZE, MAP_READ, &address), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(vmspace_map(folio, UINT64_MAX - PAGE_SIZE + 1, PAGE_SIZE, MAP_READ, &address), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(vmspace_map(folio, 12, PAGE_SIZE, MAP_READ, &address), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(vmspace_map(folio, 0, PAGE_SIZE, MAP_WRITE | MAP_EXECUTE, &address), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(handle_close(folio.handle), OK);
    EXPECT_EQ(folio_create(0, 0, &folio), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(folio_create(PAGE_SIZE, 1u << 31, &folio), ERR_INVALID_ARGUMENT);
}

TEST("what may not be read can't be mapped, and what may be written can't be executed") {
    folio_t folio, writable;
    uint64_t address;
    EXPECT_EQ(folio_create(PAGE_SIZE, 0, &folio), OK);
    EXPECT_EQ(handle_duplicate(folio.handle, RIGHT_WRITE, &writable.handle), OK);
    EXPECT_EQ(vmspace_map(writable, 0, PAGE_SIZE, MAP_WRITE, &address), ERR_DENIED);
    EXPECT_EQ(vmspace_map(folio, 0, PAGE_SIZE, MAP_READ | MAP_EXECUTE, &address), ERR_DENIED);
    EXPECT_EQ(handle_close(writable.handle), OK);
    EXPECT_EQ(handle_close(folio.handle), OK);
}

TEST("only who drives a device learns a physical address") {
    folio_t folio;
    uint64_t address;
    EXPECT_EQ(folio_create(PAGE_SIZE, FOLIO_CONTIGUOUS, &folio), OK);
    EXPECT_EQ(folio_dma_address(folio, folio, 0, &address), ERR_DENIED);
    EXPECT_EQ(folio_dma_address(folio, (folio_t) {HANDLE_INVALID}, 0, &address), ERR_BAD_HANDLE);
    EXPECT_EQ(handle_close(folio.handle), OK);
}

TEST("a process is made only by who has the authority") {
    struct process_config config = {
        .name = "child", .memory_limit = 1 << 20, .handle_limit = 16, .priority = 31, .stack_size = PAGE_SIZE};
    process_t process;
    EXPECT_EQ(folio_create(PAGE_SIZE, 0, &config.image), OK);
    config.image_size = PAGE_SIZE;
    EXPECT_EQ(process_create(&config, &process), ERR_DENIED);
    config.resource = (resource_t) {config.image.handle};
    EXPECT_EQ(process_create(&config, &process), ERR_DENIED);
    EXPECT_EQ(handle_close(config.image.handle), OK);
}

TEST("memory beyond the limit is an error, and comes back") {
    folio_t folios[64];
    size_t count = 0;
    status_t status = OK;
    while (status == OK && count < 64) {
        status = folio_create(64 * PAGE_SIZE, 0, &folios[count]);
        count += status == OK;
    }
    EXPECT(status == ERR_NO_MEMORY || status == ERR_NO_HANDLES);
    EXPECT(count > 0);
    for (size_t i = 0; i < count; i++) {
        EXPECT_EQ(handle_close(folios[i].handle), OK);
    }
    EXPECT_EQ(folio_create(64 * PAGE_SIZE, 0, &folios[0]), OK);
    EXPECT_EQ(handle_close(folios[0].handle), OK);
}

TEST("handles beyond the limit are an error, and come back") {
    ktimer_t timers[256];
    size_t count = 0;
    status_t status = OK;
    while (status == OK && count < 256) {
        status = timer_create(&timers[count]);
        count += status == OK;
    }
    EXPECT_EQ(status, ERR_NO_HANDLES);
    for (size_t i = 0; i < count; i++) {
        EXPECT_EQ(handle_close(timers[i].handle), OK);
    }
    EXPECT_EQ(timer_create(&timers[0]), OK);
    EXPECT_EQ(handle_close(timers[0].handle), OK);
}

TEST("addresses that are not the component's are refused") {
    const uint64_t bad[] = {0, 1, UINT64_MAX, UINT64_MAX - 8, 0x0000800000000000, 0xffff7fffffffffff};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        EXPECT_EQ(system_info((struct system_info *) bad[i]), ERR_BAD_ADDRESS);
        EXPECT_EQ(log_write(2, (const void *) bad[i], 8), ERR_BAD_ADDRESS);
    }
    EXPECT_EQ(log_write(2, "x", 257), ERR_TOO_LARGE);
    EXPECT_EQ(log_write(9, "x", 1), ERR_INVALID_ARGUMENT);
}

TEST("arguments with stray high bits are refused") {
    EXPECT_EQ(kernel_calls->log_write(1ull << 32, (uint64_t) "x", 1).status, ERR_INVALID_ARGUMENT);
    EXPECT_EQ(kernel_calls->handle_close(1ull << 40 | HANDLE_BOOTSTRAP).status, ERR_BAD_HANDLE);
}
