// Address spaces of components.
#include "vmspace.h"

#include "cpu.h"
#include "heap.h"
#include "syscall.h"

struct mapping {
    struct list node;
    vaddr_t address;
    uint64_t size;
    struct folio *folio;
    bool is_callers; // vmspace_map made it, so vmspace_unmap may remove it
};

static struct mapping *mapping_of(struct list *node) {
    return LIST_CONTAINER(node, struct mapping, node);
}

status_t vmspace_create(const struct isolation *isolation, struct account *account, struct vmspace **out_space) {
    struct vmspace *space = heap_allocate(sizeof(*space), account);
    if (space == nullptr) {
        return ERR_NO_MEMORY;
    }
    space->references = 1;
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
    space->isolation->space_destroy(space);
    struct list *node;
    while ((node = list_pop_front(&space->mappings)) != nullptr) {
        object_release(&mapping_of(node)->folio->object);
        heap_free(mapping_of(node), sizeof(struct mapping), space->account);
    }
    heap_free(space, sizeof(*space), space->account);
}

void vmspace_end(struct vmspace *space) {
    space->is_dead = true;
    for (uint32_t i = 0; i < machine_info.cpu_count; i++) {
        if (cpus[i].space == space && &cpus[i] != cpu_self()) {
            arch_send_reschedule(&cpus[i]);
        }
    }
    if (--space->references == 0) {
        vmspace_destroy(space);
    }
}

bool vmspace_covers(const struct vmspace *space, vaddr_t address, uint64_t size) {
    return address >= space->base && address <= space->end && size <= space->end - address;
}

status_t vmspace_find_room(const struct vmspace *space, uint64_t size, vaddr_t *out_address) {
    vaddr_t address = space->base + PAGE_SIZE;
    LIST_FOR_EACH(node, &space->mappings) {
        if (mapping_of(node)->address >= address && mapping_of(node)->address - address >= size + PAGE_SIZE) {
            break;
        }
        address = mapping_of(node)->address + mapping_of(node)->size + PAGE_SIZE;
    }
    if (address >= space->end || space->end - address < size + PAGE_SIZE) {
        return ERR_NO_MEMORY;
    }
    *out_address = address;
    return OK;
}

static uint32_t arch_flags(const struct vmspace *space, const struct folio *folio, uint32_t map_flags) {
    return space->isolation->map_flags | ((map_flags & MAP_WRITE) != 0 ? ARCH_MAP_WRITE : 0) |
           ((map_flags & MAP_EXECUTE) != 0 ? ARCH_MAP_EXECUTE : 0) | (folio->kind == FOLIO_DEVICE ? ARCH_MAP_DEVICE : 0);
}

static status_t map_pages(struct vmspace *space, vaddr_t address, const struct folio *folio, uint64_t offset, uint64_t size,
                          uint32_t flags) {
    for (uint64_t done = 0, run; done < size; done += run) {
        run = folio_run(folio, offset + done, size - done);
        status_t status =
            arch_map(space->tables, address + done, folio_page(folio, offset + done), run / PAGE_SIZE, flags, space->account);
        if (status != OK) {
            arch_unmap(space->tables, address, done / PAGE_SIZE);
            return status;
        }
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
    status_t status = map_pages(space, address, folio, offset, size, arch_flags(space, folio, map_flags));
    if (status != OK) {
        heap_free(mapping, sizeof(*mapping), space->account);
        return status;
    }
    mapping->address = address;
    mapping->size = size;
    mapping->folio = folio;
    object_retain(&folio->object);
    insert(space, mapping);
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
    TRY(vmspace_find_room(space, size, out_address));
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
    arch_unmap(space->tables, mapping->address, mapping->size / PAGE_SIZE);
    list_remove(&mapping->node);
    object_release(&mapping->folio->object);
    heap_free(mapping, sizeof(*mapping), space->account);
}

status_t vmspace_unmap(struct vmspace *space, vaddr_t address) {
    struct mapping *mapping = find_mapping(space, address);
    if (mapping == nullptr || mapping->address != address) {
        return ERR_NOT_FOUND;
    }
    remove_mapping(space, mapping);
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

status_t sys_vmspace_map(struct thread *thread, handle_t handle, uint64_t offset, uint64_t size, uint32_t flags,
                         uint64_t *out_address) {
    bool has_flag = (flags & (MAP_READ | MAP_WRITE | MAP_EXECUTE)) != 0 && (flags & ~(MAP_READ | MAP_WRITE | MAP_EXECUTE)) == 0;
    if (!has_flag || (flags & (MAP_WRITE | MAP_EXECUTE)) == (MAP_WRITE | MAP_EXECUTE)) {
        return ERR_INVALID_ARGUMENT;
    }
    static_assert((int) MAP_READ == (int) RIGHT_READ && (int) MAP_WRITE == (int) RIGHT_WRITE &&
                  (int) MAP_EXECUTE == (int) RIGHT_EXECUTE);
    struct object *object;
    TRY(handle_get(&thread->process->handles, handle, OBJECT_FOLIO, flags | RIGHT_READ, &object)); // all mappings can be read
    struct folio *folio = (struct folio *) object;
    if (size == 0 || offset % PAGE_SIZE != 0 || !folio_holds(folio, offset, size)) {
        return ERR_INVALID_ARGUMENT;
    }
    uint64_t whole = (size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    struct vmspace *space = thread->process->space;
    struct mapping *mapping;
    TRY(vmspace_find_room(space, whole, out_address));
    TRY(map_mapping(space, *out_address, folio, offset, whole, flags, &mapping));
    mapping->is_callers = true;
    return OK;
}

status_t sys_vmspace_unmap(struct thread *thread, uint64_t address) {
    const struct mapping *mapping = find_mapping(thread->process->space, address);
    return mapping != nullptr && mapping->is_callers ? vmspace_unmap(thread->process->space, address) : ERR_NOT_FOUND;
}
