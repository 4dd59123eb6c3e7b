// Folios on the host: what a device may still write to is not given to anybody else.
//
// test-with: kernel/folio.c kernel/folio_pages.c kernel/page_tree.c kernel/handle.c
#include "folio.h"

#include "heap.h"
#include "page.h"
#include "process.h"
#include "syscall.h"
#include "thread.h"

#include <test/test.h>

#include <stdlib.h>

status_t sys_folio_create(struct thread *thread, uint64_t size, uint32_t flags, uint64_t *out_folio);
status_t sys_folio_dma_end(struct thread *thread, handle_t handle);
status_t sys_folio_dma_address(struct thread *thread, handle_t handle, handle_t device, uint64_t offset, uint64_t *out_address);
status_t sys_folio_create_device(struct thread *thread, handle_t resource, uint64_t address, uint64_t size,
                                 uint64_t *out_folio);

// --- The rest of the kernel ---

uint64_t page_total_bytes = 1 << 30, page_free_bytes = 1 << 30, page_reserved_bytes;
static uint64_t pages_out;
static struct object resource = {.type = OBJECT_RESOURCE, .references = 1};

void panic(const char *, ...) {
    abort();
}

void *heap_allocate(size_t size, struct account *) {
    return calloc(1, size);
}

void heap_free(void *pointer, size_t, struct account *) {
    free(pointer);
}

unsigned page_order_for(uint64_t bytes) {
    unsigned order = 0;
    while ((PAGE_SIZE << order) < bytes) {
        order++;
    }
    return order;
}

status_t page_allocate(struct account *, unsigned order, paddr_t *out_page) {
    pages_out += 1u << order;
    *out_page = 0x100000;
    return OK;
}

status_t page_allocate_copy(struct account *account, paddr_t, paddr_t *out_page) {
    return page_allocate(account, 0, out_page);
}

void page_free(struct account *, unsigned order, paddr_t) {
    pages_out -= 1u << order;
}

status_t page_reserve(struct account *, uint64_t) {
    return OK;
}

void page_unreserve(struct account *, uint64_t) {
}

status_t page_share(struct account *, paddr_t) {
    return OK;
}

bool page_is_shared(paddr_t) {
    return false;
}

status_t folio_get_large_page(struct folio *, uint64_t, bool, paddr_t *) {
    return ERR_NOT_FOUND;
}

bool folio_is_in_one_piece(const uint64_t *) {
    return false;
}

void vmspace_unmap_folio(const struct folio *, uint64_t, uint64_t) {
}

status_t pager_wait(struct thread *, struct folio *, uint64_t, uint64_t, nsec_t) {
    return STATUS_BLOCKED;
}

void pager_folio_gone(struct pager *) {
}

void pager_page_written(struct pager *, uint64_t *) {
}

bool arch_is_ram(paddr_t, uint64_t) {
    return false;
}

void object_release(struct object *object) {
    if (--object->references == 0) {
        folio_destroy(object);
    }
}

status_t process_add_handle(struct process *process, struct object *object, uint32_t rights, uint64_t *out_handle) {
    handle_t handle = HANDLE_INVALID;
    status_t status = handle_add(&process->handles, (struct grant) {object, (uint16_t) rights}, &handle);
    *out_handle = handle;
    return status;
}

TEST("a driver that ends each use of a folio's address keeps it no longer") {
    struct account account = {.limit = 1 << 20};
    struct process process = {.account = &account};
    struct thread thread = {.process = &process};
    uint64_t authority, device, folio, address;
    list_init(&process.pins);
    EXPECT_EQ(handle_table_init(&process.handles, 16, &account), OK);
    EXPECT_EQ(process_add_handle(&process, &resource, 0, &authority), OK);
    EXPECT_EQ(sys_folio_create_device(&thread, (handle_t) authority, 0xfe000000, PAGE_SIZE, &device), OK);
    EXPECT_EQ(sys_folio_create(&thread, PAGE_SIZE, FOLIO_CONTIGUOUS, &folio), OK);
    EXPECT_EQ(sys_folio_dma_end(&thread, (handle_t) folio), ERR_NOT_FOUND);
    EXPECT_EQ(sys_folio_dma_end(&thread, (handle_t) device), ERR_DENIED);
    EXPECT_EQ(sys_folio_dma_address(&thread, (handle_t) folio, (handle_t) device, 0, &address), OK);
    EXPECT_EQ(sys_folio_dma_address(&thread, (handle_t) folio, (handle_t) device, 0, &address), OK);
    EXPECT_EQ(sys_folio_dma_end(&thread, (handle_t) folio), OK);
    EXPECT_EQ(sys_folio_dma_end(&thread, (handle_t) folio), OK);
    EXPECT_EQ(sys_folio_dma_end(&thread, (handle_t) folio), ERR_NOT_FOUND);
    resource.references++;
    handle_table_destroy(&process.handles);
    EXPECT_EQ(pages_out, 0);
}

TEST("a folio whose address a driver has learned outlives its handles, until its devices have been stopped") {
    struct account account = {.limit = 1 << 20};
    struct process process = {.account = &account};
    struct thread thread = {.process = &process};
    uint64_t authority, device, folio, other, address;
    list_init(&process.pins);
    EXPECT_EQ(handle_table_init(&process.handles, 16, &account), OK);
    EXPECT_EQ(process_add_handle(&process, &resource, 0, &authority), OK);
    EXPECT_EQ(sys_folio_create_device(&thread, (handle_t) authority, 0xfe000000, PAGE_SIZE, &device), OK);
    EXPECT_EQ(sys_folio_create(&thread, 3 * PAGE_SIZE, FOLIO_CONTIGUOUS, &folio), OK);
    EXPECT_EQ(sys_folio_create(&thread, PAGE_SIZE, FOLIO_CONTIGUOUS, &other), OK);
    EXPECT_EQ(pages_out, 4);
    EXPECT_EQ(sys_folio_dma_address(&thread, (handle_t) folio, (handle_t) other, 0, &address), ERR_DENIED);
    for (uint64_t offset = 0; offset < 3 * PAGE_SIZE; offset += PAGE_SIZE) {
        EXPECT_EQ(sys_folio_dma_address(&thread, (handle_t) folio, (handle_t) device, offset, &address), OK);
    }
    EXPECT_EQ(sys_folio_dma_address(&thread, (handle_t) folio, (handle_t) device, 3 * PAGE_SIZE, &address),
              ERR_INVALID_ARGUMENT);
    resource.references++;
    handle_table_destroy(&process.handles); // as when the driver ends
    EXPECT_EQ(pages_out, 3);
    folio_unpin_all(&process); // as when its supervisor has stopped the device and lets it go
    EXPECT_EQ(pages_out, 0);
}
