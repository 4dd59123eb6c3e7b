// Folios: memory objects of whole pages.
#include "folio.h"

#include "heap.h"
#include "list.h"
#include "memory.h"
#include "page.h"
#include "pager.h"
#include "process.h"
#include "syscall.h"

enum : uint64_t { FOLIO_SIZE_MAX = 1ull << 40, PREFETCH_MAX = 1 << 20 };

static uint64_t round_to_pages(uint64_t size) {
    return (size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

static struct folio *folio_allocate(struct account *account, enum folio_kind kind, uint64_t size) {
    struct folio *folio = heap_allocate(sizeof(*folio), account);
    if (folio != nullptr) {
        object_init(&folio->object, OBJECT_FOLIO, account);
        folio->kind = kind;
        folio->size = size;
        list_init(&folio->mappings);
    }
    return folio;
}

// All that its pages will take is charged now, so that none of them can be refused later.
static status_t promise_pages(struct folio *folio) {
    TRY(page_reserve(folio->object.account, folio->size));
    folio->promised = folio->size;
    return page_tree_make_all(&folio->pages, folio->object.account);
}

static status_t make_pages(struct folio *folio) {
    TRY(page_tree_init(&folio->pages, folio->size / PAGE_SIZE, folio->object.account));
    return folio->is_sparse ? OK : promise_pages(folio);
}

// The allocator's blocks are powers of two: what is too much goes back.
static status_t allocate_range(struct folio *folio) {
    struct account *account = folio->object.account;
    unsigned order = page_order_for(folio->size);
    TRY(page_allocate(account, order, &folio->base));
    for (uint64_t at = folio->size; at < PAGE_SIZE << order; at += PAGE_SIZE) {
        page_free(account, 0, folio->base + at);
    }
    return OK;
}

status_t folio_create(struct account *account, uint64_t size, uint32_t flags, struct folio **out_folio) {
    bool is_sparse = (flags & FOLIO_SPARSE) != 0;
    if (size > FOLIO_SIZE_MAX) {
        return ERR_TOO_LARGE;
    }
    // Checked first, so that a size no memory could hold costs nothing.
    if (!is_sparse && (size > page_total_bytes || round_to_pages(size) > account->limit)) {
        return ERR_NO_MEMORY;
    }
    bool is_contiguous = (flags & FOLIO_CONTIGUOUS) != 0;
    struct folio *folio = folio_allocate(account, is_contiguous ? FOLIO_RANGE : FOLIO_PAGES, round_to_pages(size));
    if (folio == nullptr) {
        return ERR_NO_MEMORY;
    }
    folio->is_sparse = is_sparse;
    status_t status = is_contiguous ? allocate_range(folio) : make_pages(folio);
    if (status != OK) {
        object_release(&folio->object);
        return status;
    }
    *out_folio = folio;
    return OK;
}

status_t folio_create_of_range(struct account *account, enum folio_kind kind, paddr_t base, uint64_t size,
                               struct folio **out_folio) {
    struct folio *folio = folio_allocate(account, kind, round_to_pages(size));
    if (folio == nullptr) {
        return ERR_NO_MEMORY;
    }
    folio->base = base;
    *out_folio = folio;
    return OK;
}

static bool may_be_large(const struct folio *folio, uint64_t offset) {
    return !folio->is_sparse && offset % ARCH_LARGE_PAGE_SIZE == 0 && folio->size - offset >= ARCH_LARGE_PAGE_SIZE;
}

static void free_pages(struct folio *folio) {
    struct account *account = folio->object.account;
    const uint64_t *entry;
    for (uint64_t at = 0; folio->pages.root != nullptr && (entry = page_tree_next(&folio->pages, &at, UINT64_MAX)) != nullptr;
         at++) {
        if (may_be_large(folio, at * PAGE_SIZE) && folio_is_in_one_piece(entry)) {
            page_free(account, BLOCK_ORDER, page_of(*entry));
            at += BLOCK_PAGES - 1;
        } else if ((*entry & PAGE_BORROWED) == 0) {
            page_free(account, 0, page_of(*entry));
        }
    }
    page_unreserve(account, folio->promised);
    page_tree_destroy(&folio->pages, account);
}

static void free_range(struct folio *folio) {
    for (uint64_t at = 0; folio->base != 0 && at < folio->size; at += PAGE_SIZE) {
        page_free(folio->object.account, 0, folio->base + at);
    }
}

void folio_destroy(struct object *object) {
    struct folio *folio = (struct folio *) object;
    if (folio->pager != nullptr) {
        pager_folio_gone(folio->pager);
    }
    if (folio->kind == FOLIO_PAGES) {
        free_pages(folio);
    } else if (folio->kind == FOLIO_RANGE) {
        free_range(folio);
    }
    if (folio->origin != nullptr) {
        object_release(&folio->origin->object);
    }
    heap_free(folio, sizeof(*folio), object->account);
}

// --- The kernel's own access ---

// How much of a range lies in the page of its first byte.
static uint64_t in_page(uint64_t offset, uint64_t size) {
    uint64_t rest = PAGE_SIZE - offset % PAGE_SIZE;
    return rest < size ? rest : size;
}

void folio_read(const struct folio *folio, uint64_t offset, void *to, size_t size) {
    for (uint64_t done = 0, part; done < size; done += part) {
        part = in_page(offset + done, size - done);
        struct folio_page page;
        if (folio_find_page(folio, offset + done, &page)) {
            const uint8_t *from = physical_to_kernel(page.physical);
            memcpy((uint8_t *) to + done, from + (offset + done) % PAGE_SIZE, part);
        } else {
            memset((uint8_t *) to + done, 0, part);
        }
    }
}

status_t folio_write(struct folio *folio, uint64_t offset, const void *from, size_t size) {
    for (uint64_t done = 0, part; done < size; done += part) {
        part = in_page(offset + done, size - done);
        struct folio_page page;
        TRY(folio_get_page(folio, offset + done, true, &page));
        uint8_t *to = physical_to_kernel(page.physical);
        memcpy(to + (offset + done) % PAGE_SIZE, (const uint8_t *) from + done, part);
    }
    return OK;
}

// --- System calls ---

// What can be written can't be executed, through no second mapping either.
enum : uint32_t { FOLIO_RIGHTS = RIGHT_READ | RIGHT_WRITE | RIGHT_TRANSFER | RIGHT_DUPLICATE };

status_t sys_folio_create(struct thread *thread, uint64_t size, uint32_t flags, uint64_t *out_folio) {
    bool is_known = flags == 0 || flags == FOLIO_CONTIGUOUS || flags == FOLIO_SPARSE;
    if (size == 0 || !is_known) {
        return ERR_INVALID_ARGUMENT;
    }
    struct folio *folio;
    TRY(folio_create(thread->process->account, size, flags, &folio));
    uint32_t rights = FOLIO_RIGHTS | ((flags & FOLIO_CONTIGUOUS) != 0 ? RIGHT_DMA : 0);
    return process_add_handle(thread->process, &folio->object, rights, out_folio);
}

status_t sys_folio_clone(struct thread *thread, handle_t handle, uint64_t offset, uint64_t size, uint32_t flags,
                         uint64_t *out_folio) {
    struct object *object;
    TRY(handle_get(&thread->process->handles, handle, OBJECT_FOLIO, RIGHT_READ, &object));
    struct folio *source = (struct folio *) object;
    if (!is_whole_pages(offset, size) || !folio_holds(source, offset, size) || (flags & ~FOLIO_SPARSE) != 0) {
        return ERR_INVALID_ARGUMENT;
    }
    if (source->kind != FOLIO_PAGES && source->kind != FOLIO_IMAGE) {
        return ERR_NOT_SUPPORTED;
    }
    struct folio *clone;
    TRY(folio_clone(thread->process->account, source, offset, size, flags, &clone));
    return process_add_handle(thread->process, &clone->object, FOLIO_RIGHTS, out_folio);
}

status_t sys_folio_prefetch(struct thread *thread, handle_t handle, uint64_t offset, uint64_t size, uint64_t deadline,
                            uint64_t *out_size) {
    struct object *object;
    TRY(handle_get(&thread->process->handles, handle, OBJECT_FOLIO, RIGHT_READ, &object));
    struct folio *folio = (struct folio *) object;
    if (!is_whole_pages(offset, size) || !folio_holds(folio, offset, size)) {
        return ERR_INVALID_ARGUMENT;
    }
    size = size < PREFETCH_MAX ? size : PREFETCH_MAX;
    *out_size = 0;
    while (*out_size < size) {
        struct folio_page page;
        if (folio->kind == FOLIO_PAGES && may_be_large(folio, offset + *out_size)) {
            (void) folio_get_large_page(folio, offset + *out_size, true, &page.physical); // else they come one by one
        }
        status_t status = folio_get_page(folio, offset + *out_size, false, &page);
        if (status == OK) {
            *out_size += PAGE_SIZE;
        } else if (*out_size > 0) {
            return OK;
        } else {
            return status == ERR_EMPTY ? pager_wait(thread, folio, offset, size, deadline) : status;
        }
    }
    return OK;
}

status_t sys_folio_create_device(struct thread *thread, handle_t resource, uint64_t address, uint64_t size,
                                 uint64_t *out_folio) {
    struct object *object;
    TRY(handle_get(&thread->process->handles, resource, OBJECT_RESOURCE, 0, &object));
    bool is_aligned = (address | size) % PAGE_SIZE == 0;
    bool is_physical = size != 0 && address < ARCH_PHYSICAL_END && size <= ARCH_PHYSICAL_END - address;
    if (!is_aligned || !is_physical || arch_is_ram(address, size)) {
        return ERR_INVALID_ARGUMENT;
    }
    struct folio *folio;
    TRY(folio_create_of_range(thread->process->account, FOLIO_DEVICE, address, size, &folio));
    return process_add_handle(thread->process, &folio->object, FOLIO_RIGHTS, out_folio);
}

status_t sys_folio_info(struct thread *thread, handle_t handle, uint64_t *out_size) {
    struct object *object;
    TRY(handle_get(&thread->process->handles, handle, OBJECT_FOLIO, 0, &object));
    *out_size = ((struct folio *) object)->size;
    return OK;
}

struct pin {
    struct list node;
    struct folio *folio;
    uint64_t count; // of the times that its address was told
};

static struct pin *pin_of(struct list *node) {
    return LIST_CONTAINER(node, struct pin, node);
}

static struct pin *find_pin(struct process *process, const struct folio *folio) {
    LIST_FOR_EACH(node, &process->pins) {
        if (pin_of(node)->folio == folio) {
            return pin_of(node);
        }
    }
    return nullptr;
}

static status_t pin(struct process *process, struct folio *folio) {
    struct pin *pin = find_pin(process, folio);
    if (pin != nullptr) {
        pin->count++;
        return OK;
    }
    pin = heap_allocate(sizeof(*pin), process->account);
    if (pin == nullptr) {
        return ERR_NO_MEMORY;
    }
    object_retain(&folio->object);
    pin->folio = folio;
    pin->count = 1;
    list_push_back(&process->pins, &pin->node);
    return OK;
}

static void unpin(struct process *process, struct pin *pin) {
    object_release(&pin->folio->object);
    heap_free(pin, sizeof(*pin), process->account);
}

void folio_unpin_all(struct process *process) {
    struct list *node;
    while ((node = list_pop_front(&process->pins)) != nullptr) {
        unpin(process, pin_of(node));
    }
}

status_t sys_folio_dma_address(struct thread *thread, handle_t handle, handle_t device, uint64_t offset,
                               uint64_t *out_address) {
    struct object *object, *registers;
    TRY(handle_get(&thread->process->handles, handle, OBJECT_FOLIO, RIGHT_DMA, &object));
    TRY(handle_get(&thread->process->handles, device, OBJECT_FOLIO, RIGHT_WRITE, &registers));
    struct folio *folio = (struct folio *) object;
    if (((struct folio *) registers)->kind != FOLIO_DEVICE) {
        return ERR_DENIED;
    }
    if (offset >= folio->size) {
        return ERR_INVALID_ARGUMENT;
    }
    TRY(pin(thread->process, folio));
    *out_address = folio->base + offset;
    return OK;
}

status_t sys_folio_dma_end(struct thread *thread, handle_t handle) {
    struct object *object;
    TRY(handle_get(&thread->process->handles, handle, OBJECT_FOLIO, RIGHT_DMA, &object));
    struct pin *pin = find_pin(thread->process, (struct folio *) object);
    if (pin == nullptr) {
        return ERR_NOT_FOUND;
    }
    if (--pin->count == 0) {
        list_remove(&pin->node);
        unpin(thread->process, pin);
    }
    return OK;
}
