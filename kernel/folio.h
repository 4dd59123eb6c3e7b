// A folio: memory that can be mapped and handed on.
//
// A folio's page comes when it is first touched: zeroed, from the folio of which this one is a clone, or from a pager.
// Pages are shared between clones until one of them writes. Who pays for that: page.h.
#pragma once

#include "arch.h"
#include "list.h"
#include "object.h"
#include "page_tree.h"

struct pager;
struct process;

enum folio_kind : uint8_t {
    FOLIO_PAGES,  // any pages, or none yet
    FOLIO_RANGE,  // physically contiguous pages, there from the beginning
    FOLIO_IMAGE,  // part of the kernel's image: the archive; never freed
    FOLIO_DEVICE, // not RAM: the kernel itself never touches it
};

// What stands in a page tree below a page's address.
enum page_flags : uint64_t {
    PAGE_BORROWED = 1,  // the image's: never freed, and copied before it is written
    PAGE_DIRTY = 2,     // written since the pager supplied it or began to write it back
    PAGE_TOLD = 4,      // and the pager knows
    PAGE_WRITING = 8,   // the pager writes it back: it stays until then
    PAGE_NEW = 16,      // is being supplied: it makes no room for others of the same call
    PAGE_UNZEROED = 32, // came with a large page and holds what was in memory before: it counts as not there
};

static inline paddr_t page_of(uint64_t entry) {
    return entry & ~(PAGE_SIZE - 1);
}

struct folio {
    struct object object;
    enum folio_kind kind;
    bool is_sparse; // its pages are paid for when they come, not all at its creation
    uint64_t size;  // bytes, whole pages
    paddr_t base;   // all but FOLIO_PAGES
    // FOLIO_PAGES only:
    struct page_tree pages;
    uint64_t promised;      // bytes reserved for pages that have not come yet
    struct folio *origin;   // where missing pages come from: an image, or a folio with a pager. nullptr: they are zero
    uint64_t origin_offset; // of this one's first page in it
    struct pager *pager;    // supplies missing pages
    bool is_paged;          // it has, or had, a pager
    struct list mappings;   // of it, in all address spaces
};

// Makes a folio of zeroed pages; `flags`: enum folio_flags. ERR_NO_MEMORY, ERR_TOO_LARGE
status_t folio_create(struct account *account, uint64_t size, uint32_t flags, struct folio **out_folio);

// Makes a folio of a physical range that already exists. ERR_NO_MEMORY
status_t folio_create_of_range(struct account *account, enum folio_kind kind, paddr_t base, uint64_t size,
                               struct folio **out_folio);

// Makes a copy on write of whole pages of an image or a folio of pages. ERR_NO_MEMORY, ERR_TOO_LARGE
status_t folio_clone(struct account *account, struct folio *source, uint64_t offset, uint64_t size, uint32_t flags,
                     struct folio **out_folio);

struct folio_page {
    paddr_t physical;
    bool is_writable; // now: else it is asked for once more before it is written
};

// The page at an offset, if it is there.
bool folio_find_page(const struct folio *folio, uint64_t offset, struct folio_page *out_page);

// The same, and lets it come if it is not. What is not there a moment later was reclaimed: nothing may be allocated before
// the page is used. ERR_NO_MEMORY; ERR_EMPTY: a pager is to be asked (folio_pager); ERR_CLOSED: which is gone
status_t folio_get_page(struct folio *folio, uint64_t offset, bool for_write, struct folio_page *out_page);

enum : unsigned { BLOCK_PAGES = ARCH_LARGE_PAGE_SIZE / PAGE_SIZE, BLOCK_ORDER = __builtin_ctz(BLOCK_PAGES) };

// Large pages (large_page.c), of folios whose pages are promised: ARCH_LARGE_PAGE_SIZE bytes at a multiple of that, which lie
// in memory in one piece, and at such an address too. They are nobody else's, so they can be written.
//
// The one at an offset. If none of its pages is there yet and it may come, a block is taken for it, and with each call a part
// is zeroed. ERR_BUSY: it is called once more for the next part. ERR_NOT_FOUND: its pages are single ones
status_t folio_get_large_page(struct folio *folio, uint64_t offset, bool may_come, paddr_t *out_physical);
bool folio_is_in_one_piece(const uint64_t *entries); // do these entries of a page tree make one, zeroed or not?
void folio_zero_page(uint64_t *entry);               // if it is not

// Who supplies the page at an offset, and which one that is to it. nullptr: nobody
struct pager *folio_pager(const struct folio *folio, uint64_t offset, uint64_t *out_offset);

// How many bytes from an offset on are there, up to `size`.
uint64_t folio_present(const struct folio *folio, uint64_t offset, uint64_t size);

// The kernel's own access to a range that lies inside. Not of devices or paged folios. What is not there is zero.
void folio_read(const struct folio *folio, uint64_t offset, void *to, size_t size);
status_t folio_write(struct folio *folio, uint64_t offset, const void *from, size_t size); // ERR_NO_MEMORY

// Is [offset, offset + size) inside?
static inline bool folio_holds(const struct folio *folio, uint64_t offset, uint64_t size) {
    return offset <= folio->size && size <= folio->size - offset;
}

// May touching it end a component? For want of memory, or by its pager's fault.
static inline bool folio_may_fault(const struct folio *folio) {
    return folio->is_sparse || (folio->origin != nullptr && folio->origin->is_paged);
}

static inline bool is_whole_pages(uint64_t offset, uint64_t size) {
    return size != 0 && (offset | size) % PAGE_SIZE == 0;
}

// A promise for one more page, before it is known whether it comes. ERR_NO_MEMORY. One of the other two follows.
status_t folio_promise_page(struct folio *folio);
void folio_withdraw_promise(struct folio *folio); // it did not come
void folio_fulfil_promise(struct folio *folio);   // the page is allocated or shared directly after this, without fail

// A device may write to a folio whose address a process has learned: it is kept until the process's last handle is
// closed, by when whoever supervises the process has stopped its devices.
void folio_unpin_all(struct process *process);

void folio_destroy(struct object *object);
