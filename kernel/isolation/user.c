// User isolation: page tables of its own, the CPU's user mode, system calls by instruction.
#include "isolation.h"

#include "../page.h"
#include "../vmspace.h"

#include <starina/syscall_numbers.h>

// Two pages that every user space has below its own mappings: the stubs, and the table of pointers to them.
enum : vaddr_t { STUBS_AT = ARCH_USER_BASE, TABLE_AT = STUBS_AT + PAGE_SIZE, MAPPINGS_FROM = TABLE_AT + 2 * PAGE_SIZE };

static paddr_t table_page;

static status_t make_table(void) {
    TRY(page_allocate(&kernel_account, 0, &table_page));
    vaddr_t *table = physical_to_kernel(table_page);
    for (unsigned i = 0; i < SYSCALL_COUNT; i++) {
        table[i] = STUBS_AT + i * ARCH_STUB_SIZE;
    }
    return OK;
}

static status_t map_shared_pages(struct vmspace *space) {
    if (table_page == 0) {
        TRY(make_table());
    }
    TRY(arch_map(&space->own, STUBS_AT, arch_image_to_physical(arch_user_stubs), 1, ARCH_MAP_USER | ARCH_MAP_EXECUTE,
                 space->account));
    return arch_map(&space->own, TABLE_AT, table_page, 1, ARCH_MAP_USER, space->account);
}

static status_t space_create(struct vmspace *space) {
    TRY(arch_vmspace_init(&space->own, space->account));
    space->tables = &space->own;
    space->base = MAPPINGS_FROM;
    space->end = ARCH_USER_END;
    status_t status = map_shared_pages(space);
    if (status != OK) {
        arch_vmspace_destroy(&space->own, space->account);
    }
    return status;
}

static void space_destroy(struct vmspace *space) {
    arch_vmspace_destroy(&space->own, space->account);
}

static vaddr_t call_table(void) {
    return TABLE_AT;
}

const struct isolation isolation_user = {
    .mode = ISOLATION_USER,
    .is_user = true,
    .map_flags = ARCH_MAP_USER,
    .space_create = space_create,
    .space_destroy = space_destroy,
    .call_table = call_table,
};
