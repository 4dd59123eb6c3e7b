// Address spaces of components.
#include "vmspace.h"

#include "cpu.h"
#include "heap.h"
#include "pager.h"
#include "syscall.h"

enum : uint64_t { MAPPED_AT_ONCE = 2 << 20 }; // of what is there already: the rest is mapped when it is touched

struct mapping {
    struct list node;
    struct list folio_node; // among all mappings of the folio
    struct vmspace *space;
    vaddr_t address;
    uint64_t size;
    struct folio *folio;
    uint64_t offset; // in the folio
    uint32_t flags;  // enum map_flags
    bool is_callers; // vmspace_map made it, so vmspace_unmap may remove it
};

static struct mapping *mapping_of(struct list *node) {
    return LIST_CONTAINER(node, struct mapping, node);
}

static void mapping_free(struct mapping *mapping) {
    list_remove(&mapping->node);
    list_remove(&mapping->folio_node);
    object_release(&mapping->folio->object);
    heap_free(mapping, sizeof(*mapping), mapping->space->account);
}

status_t vmspace_create(const struct isolation *isolation, struct account *account, struct vmspace **out_space) {
    struct vmspace *space = heap_allocate(sizeof(*space), account);
    if (space == nullptr) {
        return ERR_NO_MEMORY;
    }
    space->isolation = isolation;
    space->is_user = isolation->is_user;
    space->account = account;
    list_init(&space->mappings);
    status_t status = isolation->space_create(space);
    if (status != OK) {
        heap_free(space, sizeof(*space), account);
        return status;
    }
    *out_space = space;
    return OK;
}

void vmspace_destroy(struct vmspace *space) {
    LIST_FOR_EACH(node, &space->mappings) {
        list_remove(&mapping_of(node)->folio_node); // nobody unmaps anything in tables that are gone
    }
    space->isolation->space_destroy(space);
    LIST_FOR_EACH(node, &space->mappings) {
        mapping_free(mapping_of(node));
    }
    heap_free(space, sizeof(*space), space->account);
}

bool vmspace_covers(const struct vmspace *space, vaddr_t address, uint64_t size) {
    return address >= space->base && address <= space->end && size <= space->end - address;
}

// The next address that is a number of bytes past a multiple of an alignment.
static vaddr_t aligned(vaddr_t address, uint64_t alignment, uint64_t past) {
    return address + ((past - address) & (alignment - 1));
}

[[gnu::always_inline]] static inline status_t find_aligned_room(const struct vmspace *space, uint64_t size, uint64_t alignment,
                                                                uint64_t past, vaddr_t *out_address) {
    vaddr_t address = aligned(space->base + PAGE_SIZE, alignment, past);
    LIST_FOR_EACH(node, &space->mappings) {
        if (mapping_of(node)->address >= address && mapping_of(node)->address - address >= size + PAGE_SIZE) {
            break;
        }
        address = aligned(mapping_of(node)->address + mapping_of(node)->size + PAGE_SIZE, alignment, past);
    }
    if (address >= space->end || space->end - address < size + PAGE_SIZE) {
        return ERR_NO_MEMORY;
    }
    *out_address = address;
    return OK;
}

status_t vmspace_find_room(const struct vmspace *space, uint64_t size, vaddr_t *out_address) {
    return find_aligned_room(space, size, PAGE_SIZE, 0, out_address);
}

[[gnu::noinline]] static status_t find_large_room(const struct vmspace *space, uint64_t size, uint64_t offset,
                                                  vaddr_t *out_address) {
    return find_aligned_room(space, size, ARCH_LARGE_PAGE_SIZE, offset, out_address);
}

// Where the folio's large pages can be mapped as such, if there is room.
static status_t find_room_for(const struct vmspace *space, const struct folio *folio, uint64_t offset, uint64_t size,
                              vaddr_t *out_address) {
    bool has_large = size >= ARCH_LARGE_PAGE_SIZE && folio->kind == FOLIO_PAGES && !folio->is_sparse;
    if (has_large && find_large_room(space, size, offset, out_address) == OK) {
        return OK;
    }
    return vmspace_find_room(space, size, out_address);
}

static uint32_t arch_flags(const struct mapping *mapping, bool is_writable) {
    uint32_t flags = mapping->space->isolation->map_flags;
    return flags | (is_writable ? ARCH_MAP_WRITE : 0) | ((mapping->flags & MAP_EXECUTE) != 0 ? ARCH_MAP_EXECUTE : 0) |
           (mapping->folio->kind == FOLIO_DEVICE ? ARCH_MAP_DEVICE : 0);
}

static uint64_t *page_entry(const struct mapping *mapping, vaddr_t address) {
    return arch_page_entry(mapping->space->tables, address, mapping->space->account);
}

static void map_page(const struct mapping *mapping, uint64_t *entry, vaddr_t address, const struct folio_page *page) {
    bool is_writable = (mapping->flags & MAP_WRITE) != 0 && page->is_writable;
    arch_map_page(entry, address, page->physical, arch_flags(mapping, is_writable));
}

// Maps the large page around an address, if there is one, or if it may come. ERR_BUSY: not yet. ERR_NOT_FOUND
[[gnu::noinline]] static status_t map_large_page(const struct mapping *mapping, vaddr_t address, bool may_come) {
    struct arch_vmspace *tables = mapping->space->tables;
    vaddr_t start = address & ~(ARCH_LARGE_PAGE_SIZE - 1);
    uint64_t offset = mapping->offset + (start - mapping->address);
    if (offset % ARCH_LARGE_PAGE_SIZE != 0 || !arch_can_map_large(tables, start)) {
        return ERR_NOT_FOUND;
    }
    paddr_t physical;
    TRY(folio_get_large_page(mapping->folio, offset, may_come, &physical));
    arch_map_large(tables, start, physical, arch_flags(mapping, (mapping->flags & MAP_WRITE) != 0));
    return OK;
}

static void map_present_pages(const struct mapping *mapping) {
    uint64_t first = mapping->offset / PAGE_SIZE;
    uint64_t end = first + (mapping->size < MAPPED_AT_ONCE ? mapping->size : MAPPED_AT_ONCE) / PAGE_SIZE;
    for (uint64_t at = first; page_tree_next(&mapping->folio->pages, &at, end) != nullptr; at++) {
        vaddr_t address = mapping->address + (at - first) * PAGE_SIZE;
        struct folio_page page;
        bool may_be_large = at % BLOCK_PAGES == 0 && end - at >= BLOCK_PAGES;
        if (may_be_large && map_large_page(mapping, address, false) == OK) {
            at += BLOCK_PAGES - 1;
        } else if (folio_find_page(mapping->folio, at * PAGE_SIZE, &page)) {
            map_page(mapping, page_entry(mapping, address), address, &page);
        }
    }
}

// Who was promised a folio's pages can map them without fail: its page tables are made or promised now.
static status_t map_pages(const struct mapping *mapping) {
    struct vmspace *space = mapping->space;
    const struct folio *folio = mapping->folio;
    uint64_t count = mapping->size / PAGE_SIZE;
    if (folio->kind != FOLIO_PAGES) {
        bool is_writable = (mapping->flags & MAP_WRITE) != 0;
        return arch_map(space->tables, mapping->address, folio->base + mapping->offset, count, arch_flags(mapping, is_writable),
                        space->account);
    }
    if (!folio->is_sparse) {
        TRY(arch_map_prepare(space->tables, mapping->address, count, space->account));
        map_present_pages(mapping);
    }
    return OK;
}

static void insert(struct vmspace *space, struct mapping *mapping) {
    struct list *next = space->mappings.next;
    while (next != &space->mappings && mapping_of(next)->address < mapping->address) {
        next = next->next;
    }
    list_push_back(next, &mapping->node);
}

static status_t map_mapping(struct vmspace *space, vaddr_t address, struct folio *folio, uint64_t offset, uint64_t size,
                            uint32_t map_flags, struct mapping **out_mapping) {
    struct mapping *mapping = heap_allocate(sizeof(*mapping), space->account);
    if (mapping == nullptr) {
        return ERR_NO_MEMORY;
    }
    *mapping = (struct mapping) {
        .space = space, .address = address, .size = size, .folio = folio, .offset = offset, .flags = map_flags | MAP_READ};
    status_t status = map_pages(mapping);
    if (status != OK) {
        arch_unmap_finally(space->tables, address, size / PAGE_SIZE, space->account);
        heap_free(mapping, sizeof(*mapping), space->account);
        return status;
    }
    object_retain(&folio->object);
    insert(space, mapping);
    list_push_back(&folio->mappings, &mapping->folio_node);
    *out_mapping = mapping;
    return OK;
}

status_t vmspace_map_at(struct vmspace *space, vaddr_t address, struct folio *folio, uint64_t offset, uint64_t size,
                        uint32_t map_flags) {
    struct mapping *mapping;
    return map_mapping(space, address, folio, offset, size, map_flags, &mapping);
}

status_t vmspace_map(struct vmspace *space, struct folio *folio, uint64_t offset, uint64_t size, uint32_t map_flags,
                     vaddr_t *out_address) {
    TRY(find_room_for(space, folio, offset, size, out_address));
    return vmspace_map_at(space, *out_address, folio, offset, size, map_flags);
}

static struct mapping *find_mapping(const struct vmspace *space, vaddr_t address) {
    LIST_FOR_EACH(node, &space->mappings) {
        if (address - mapping_of(node)->address < mapping_of(node)->size) {
            return mapping_of(node);
        }
    }
    return nullptr;
}

static void remove_mapping(struct vmspace *space, struct mapping *mapping) {
    arch_unmap_finally(space->tables, mapping->address, mapping->size / PAGE_SIZE, space->account);
    mapping_free(mapping);
}

status_t vmspace_unmap(struct vmspace *space, vaddr_t address) {
    struct mapping *mapping = find_mapping(space, address);
    if (mapping == nullptr || mapping->address != address) {
        return ERR_NOT_FOUND;
    }
    remove_mapping(space, mapping);
    return OK;
}

void vmspace_unmap_folio(const struct folio *folio, uint64_t offset, uint64_t size) {
    LIST_FOR_EACH(node, &folio->mappings) {
        const struct mapping *mapping = LIST_CONTAINER(node, struct mapping, folio_node);
        uint64_t from = offset > mapping->offset ? offset - mapping->offset : 0;
        uint64_t to = offset + size > mapping->offset ? offset + size - mapping->offset : 0;
        to = to < mapping->size ? to : mapping->size;
        if (from < to) {
            arch_unmap(mapping->space->tables, mapping->address + from, (to - from) / PAGE_SIZE);
        }
    }
}

// --- Touching what is not mapped ---

static status_t touch(const struct mapping *mapping, vaddr_t address, uint32_t access, uint64_t *out_offset) {
    vaddr_t start = address & ~(PAGE_SIZE - 1);
    *out_offset = mapping->offset + (start - mapping->address);
    if ((mapping->flags & access) != access) {
        return ERR_BAD_ADDRESS;
    }
    uint64_t *entry = page_entry(mapping, start); // before the page: nothing is allocated after
    if (entry == nullptr) {
        return ERR_NO_MEMORY;
    }
    struct folio_page page;
    TRY(folio_get_page(mapping->folio, *out_offset, (access & MAP_WRITE) != 0, &page));
    map_page(mapping, entry, start, &page);
    return OK;
}

// What was zeroed in part only is touched once more: interrupts and other CPUs come in between.
[[gnu::noinline]] static bool touch_large_page(const struct mapping *mapping, vaddr_t address, uint32_t access) {
    if ((mapping->flags & access) != access) {
        return false;
    }
    status_t status = map_large_page(mapping, address, true);
    return status == OK || status == ERR_BUSY;
}

status_t vmspace_touch(struct thread *thread, vaddr_t address, uint32_t access) {
    const struct mapping *mapping = find_mapping(thread->process->space, address);
    if (mapping == nullptr) {
        return ERR_BAD_ADDRESS;
    }
    if (mapping->size >= ARCH_LARGE_PAGE_SIZE && touch_large_page(mapping, address, access)) {
        return OK;
    }
    uint64_t offset;
    status_t status = touch(mapping, address, access, &offset);
    return status == ERR_EMPTY ? pager_wait(thread, mapping->folio, offset, PAGE_SIZE, DEADLINE_NEVER) : status;
}

status_t vmspace_touch_range(const struct vmspace *space, vaddr_t address, uint64_t size, uint32_t access) {
    for (vaddr_t at = address & ~(PAGE_SIZE - 1); at < address + size; at += PAGE_SIZE) {
        const struct mapping *mapping = find_mapping(space, at);
        uint64_t offset;
        if (mapping == nullptr || touch(mapping, at, access, &offset) != OK) {
            return ERR_BAD_ADDRESS;
        }
    }
    return OK;
}

bool vmspace_mapping_of(const struct vmspace *space, vaddr_t address, vaddr_t *out_low, vaddr_t *out_high) {
    const struct mapping *mapping = find_mapping(space, address);
    if (mapping == nullptr) {
        return false;
    }
    *out_low = mapping->address;
    *out_high = mapping->address + mapping->size;
    return true;
}

// --- System calls ---

enum : uint32_t { ACCESS = MAP_READ | MAP_WRITE | MAP_EXECUTE };

status_t sys_vmspace_map(struct thread *thread, handle_t handle, uint64_t offset, uint64_t size, uint32_t flags,
                         uint64_t *out_address) {
    uint32_t access = flags & ACCESS;
    if (access == 0 || (flags & ~(ACCESS | MAP_MAY_FAULT)) != 0 ||
        (access & (MAP_WRITE | MAP_EXECUTE)) == (MAP_WRITE | MAP_EXECUTE)) {
        return ERR_INVALID_ARGUMENT;
    }
    static_assert((int) MAP_READ == (int) RIGHT_READ && (int) MAP_WRITE == (int) RIGHT_WRITE &&
                  (int) MAP_EXECUTE == (int) RIGHT_EXECUTE);
    struct object *object;
    TRY(handle_get(&thread->process->handles, handle, OBJECT_FOLIO, access | RIGHT_READ, &object)); // all can be read
    struct folio *folio = (struct folio *) object;
    if (size == 0 || offset % PAGE_SIZE != 0 || !folio_holds(folio, offset, size)) {
        return ERR_INVALID_ARGUMENT;
    }
    if (folio_may_fault(folio) && (flags & MAP_MAY_FAULT) == 0) {
        return ERR_NOT_SUPPORTED;
    }
    uint64_t whole = (size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    struct vmspace *space = thread->process->space;
    struct mapping *mapping;
    TRY(find_room_for(space, folio, offset, whole, out_address));
    TRY(map_mapping(space, *out_address, folio, offset, whole, access, &mapping));
    mapping->is_callers = true;
    return OK;
}

status_t sys_vmspace_unmap(struct thread *thread, uint64_t address) {
    const struct mapping *mapping = find_mapping(thread->process->space, address);
    return mapping != nullptr && mapping->is_callers ? vmspace_unmap(thread->process->space, address) : ERR_NOT_FOUND;
}
