// The kernel heap. A slab is one page: a header and pieces of one size, chained while they are free.
#include "heap.h"

#include "list.h"
#include "memory.h"
#include "page.h"

static const uint16_t class_sizes[] = {32, 64, 128, 256, 512, 1024};
enum { CLASS_COUNT = sizeof(class_sizes) / sizeof(class_sizes[0]), SLAB_PIECE_MAX = 1024 };

struct piece {
    struct piece *next;
};

struct slab {
    struct list node; // in its class's list while it has a free piece
    struct piece *free;
    uint32_t free_count;
    uint32_t piece_count;
};

static struct list slabs[CLASS_COUNT];

static unsigned class_of(size_t size) {
    unsigned index = 0;
    while (class_sizes[index] < size) {
        index++;
    }
    return index;
}

static struct slab *slab_create(unsigned index) {
    paddr_t page;
    if (page_allocate(&kernel_account, 0, &page) != OK) {
        return nullptr;
    }
    struct slab *slab = physical_to_kernel(page);
    size_t size = class_sizes[index];
    size_t first = (sizeof(*slab) + size - 1) / size * size;
    for (size_t at = first; at + size <= PAGE_SIZE; at += size) {
        struct piece *piece = (struct piece *) ((char *) slab + at);
        piece->next = slab->free;
        slab->free = piece;
        slab->piece_count++;
    }
    slab->free_count = slab->piece_count;
    list_push_front(&slabs[index], &slab->node);
    return slab;
}

static void *slab_allocate(unsigned index) {
    if (slabs[index].next == nullptr) {
        list_init(&slabs[index]);
    }
    struct slab *slab =
        list_is_empty(&slabs[index]) ? slab_create(index) : LIST_CONTAINER(slabs[index].next, struct slab, node);
    if (slab == nullptr) {
        return nullptr;
    }
    struct piece *piece = slab->free;
    slab->free = piece->next;
    if (--slab->free_count == 0) {
        list_remove(&slab->node);
    }
    memset(piece, 0, class_sizes[index]);
    return piece;
}

// One empty slab per class is kept, so that an object made and freed in turn does not make and free pages.
static void slab_free(struct piece *piece, unsigned index) {
    struct slab *slab = (struct slab *) ((uintptr_t) piece & ~(PAGE_SIZE - 1));
    piece->next = slab->free;
    slab->free = piece;
    if (slab->free_count++ == 0) {
        list_push_front(&slabs[index], &slab->node);
    }
    bool has_others = slabs[index].next->next != &slabs[index];
    if (slab->free_count == slab->piece_count && has_others) {
        list_remove(&slab->node);
        page_free(&kernel_account, 0, kernel_to_physical(slab));
    }
}

// The pages of slabs are the kernel's; the pieces are charged to their users.
void *heap_allocate(size_t size, struct account *account) {
    if (size > SLAB_PIECE_MAX) {
        paddr_t page;
        return page_allocate(account, page_order_for(size), &page) == OK ? physical_to_kernel(page) : nullptr;
    }
    unsigned index = class_of(size);
    if (account != &kernel_account && page_charge(account, class_sizes[index]) != OK) {
        return nullptr;
    }
    void *pointer = slab_allocate(index);
    if (pointer == nullptr && account != &kernel_account) {
        account_release(account, class_sizes[index]);
    }
    return pointer;
}

void heap_free(void *pointer, size_t size, struct account *account) {
    if (pointer == nullptr) {
        return;
    }
    if (size > SLAB_PIECE_MAX) {
        page_free(account, page_order_for(size), kernel_to_physical(pointer));
        return;
    }
    unsigned index = class_of(size);
    slab_free(pointer, index);
    if (account != &kernel_account) {
        account_release(account, class_sizes[index]);
    }
}
