// Folios: memory objects of whole pages.
#include "folio.h"

#include "heap.h"
#include "list.h"
#include "memory.h"
#include "page.h"
#include "process.h"
#include "syscall.h"

static uint64_t round_to_pages(uint64_t size) {
    return (size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

static struct folio *folio_allocate(struct account *account, enum folio_kind kind, uint64_t size) {
    struct folio *folio = heap_allocate(sizeof(*folio), account);
    if (folio != nullptr) {
        object_init(&folio->object, OBJECT_FOLIO, account);
        folio->kind = kind;
        folio->size = size;
    }
    return folio;
}

static size_t page_list_bytes(const struct folio *folio) {
    return folio->size / PAGE_SIZE * sizeof(paddr_t);
}

static status_t allocate_pages(struct folio *folio) {
    struct account *account = folio->object.account;
    folio->pages = heap_allocate(page_list_bytes(folio), account);
    if (folio->pages == nullptr) {
        return ERR_NO_MEMORY;
    }
    for (uint64_t i = 0; i < folio->size / PAGE_SIZE; i++) {
        TRY(page_allocate(account, 0, &folio->pages[i]));
    }
    return OK;
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

status_t folio_create(struct account *account, uint64_t size, bool is_contiguous, struct folio **out_folio) {
    // Checked first, so that a size no memory could hold costs nothing.
    if (size > page_total_bytes || round_to_pages(size) > account->limit - account->used) {
        return ERR_NO_MEMORY;
    }
    struct folio *folio = folio_allocate(account, is_contiguous ? FOLIO_RANGE : FOLIO_PAGES, round_to_pages(size));
    if (folio == nullptr) {
        return ERR_NO_MEMORY;
    }
    status_t status = is_contiguous ? allocate_range(folio) : allocate_pages(folio);
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

static void free_page_list(struct folio *folio) {
    if (folio->pages == nullptr) {
        return;
    }
    for (uint64_t i = 0; i < folio->size / PAGE_SIZE && folio->pages[i] != 0; i++) {
        page_free(folio->object.account, 0, folio->pages[i]);
    }
    heap_free(folio->pages, page_list_bytes(folio), folio->object.account);
}

static void free_range(struct folio *folio) {
    for (uint64_t at = 0; folio->base != 0 && at < folio->size; at += PAGE_SIZE) {
        page_free(folio->object.account, 0, folio->base + at);
    }
}

void folio_destroy(struct object *object) {
    struct folio *folio = (struct folio *) object;
    if (folio->kind == FOLIO_PAGES) {
        free_page_list(folio);
    } else if (folio->kind == FOLIO_RANGE) {
        free_range(folio);
    }
    heap_free(folio, sizeof(*folio), object->account);
}

paddr_t folio_page(const struct folio *folio, uint64_t offset) {
    uint64_t page_start = offset & ~(PAGE_SIZE - 1);
    return folio->kind == FOLIO_PAGES ? folio->pages[offset / PAGE_SIZE] : folio->base + page_start;
}

uint64_t folio_run(const struct folio *folio, uint64_t offset, uint64_t size) {
    if (folio->kind != FOLIO_PAGES) {
        return size;
    }
    uint64_t run = PAGE_SIZE - offset % PAGE_SIZE;
    while (run < size && folio_page(folio, offset + run) == folio_page(folio, offset) + run + offset % PAGE_SIZE) {
        run += PAGE_SIZE;
    }
    return run < size ? run : size;
}

static uint8_t *pointer_at(const struct folio *folio, uint64_t offset) {
    return (uint8_t *) physical_to_kernel(folio_page(folio, offset)) + offset % PAGE_SIZE;
}

void folio_read(const struct folio *folio, uint64_t offset, void *to, size_t size) {
    for (uint64_t done = 0, run; done < size; done += run) {
        run = folio_run(folio, offset + done, size - done);
        memcpy((uint8_t *) to + done, pointer_at(folio, offset + done), run);
    }
}

void folio_write(struct folio *folio, uint64_t offset, const void *from, size_t size) {
    for (uint64_t done = 0, run; done < size; done += run) {
        run = folio_run(folio, offset + done, size - done);
        memcpy(pointer_at(folio, offset + done), (const uint8_t *) from + done, run);
    }
}

// --- System calls ---

// What can be written can't be executed, through no second mapping either.
enum : uint32_t { FOLIO_RIGHTS = RIGHT_READ | RIGHT_WRITE | RIGHT_TRANSFER | RIGHT_DUPLICATE };

status_t sys_folio_create(struct thread *thread, uint64_t size, uint32_t flags, uint64_t *out_folio) {
    if (size == 0 || (flags & ~FOLIO_CONTIGUOUS) != 0) {
        return ERR_INVALID_ARGUMENT;
    }
    bool is_contiguous = (flags & FOLIO_CONTIGUOUS) != 0;
    struct folio *folio;
    TRY(folio_create(thread->process->account, size, is_contiguous, &folio));
    return process_add_handle(thread->process, &folio->object, FOLIO_RIGHTS | (is_contiguous ? RIGHT_DMA : 0), out_folio);
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
