// How a folio's pages come: zeroed, shared with a clone, borrowed of the image; and how they are copied before a write.
#include "folio.h"

#include "memory.h"
#include "page.h"
#include "pager.h"
#include "vmspace.h"

// Nobody else sees what is written to it.
static bool is_own(uint64_t entry) {
    return (entry & PAGE_BORROWED) == 0 && !page_is_shared(page_of(entry));
}

// --- Promises ---

status_t folio_promise_page(struct folio *folio) {
    if (folio->is_sparse) {
        TRY(page_reserve(folio->object.account, PAGE_SIZE));
        folio->promised += PAGE_SIZE;
    }
    return OK;
}

void folio_withdraw_promise(struct folio *folio) {
    if (folio->is_sparse) {
        page_unreserve(folio->object.account, PAGE_SIZE);
        folio->promised -= PAGE_SIZE;
    }
}

void folio_fulfil_promise(struct folio *folio) {
    page_unreserve(folio->object.account, PAGE_SIZE);
    folio->promised -= PAGE_SIZE;
}

// --- Pages ---

static status_t share(struct folio *folio, paddr_t page, uint64_t *out_entry) {
    status_t status = page_share(folio->object.account, page);
    if (status == ERR_LIMIT) {
        return page_allocate_copy(folio->object.account, page, out_entry);
    }
    TRY(status);
    *out_entry = page;
    return OK;
}

// From the folio that this one is a clone of. The promise is made.
static status_t take_from_origin(struct folio *folio, uint64_t offset, uint64_t *entry) {
    struct folio *origin = folio->origin;
    uint64_t origin_offset = folio->origin_offset + offset;
    if (origin->kind == FOLIO_IMAGE) {
        *entry = (origin->base + origin_offset) | PAGE_BORROWED;
        folio_withdraw_promise(folio);
        return OK;
    }
    const uint64_t *found = page_tree_find(&origin->pages, origin_offset / PAGE_SIZE);
    if (found == nullptr || *found == 0) {
        folio_withdraw_promise(folio);
        return origin->pager != nullptr ? ERR_EMPTY : ERR_CLOSED;
    }
    if ((*found & PAGE_BORROWED) != 0) {
        *entry = page_of(*found) | PAGE_BORROWED;
        folio_withdraw_promise(folio);
        return OK;
    }
    if ((*found & PAGE_DIRTY) != 0) {
        vmspace_unmap_folio(origin, origin_offset, PAGE_SIZE); // it may be mapped for writing there
    }
    folio_fulfil_promise(folio);
    return share(folio, page_of(*found), entry);
}

static status_t take_page(struct folio *folio, uint64_t offset, uint64_t *entry) {
    TRY(folio_promise_page(folio));
    if (folio->origin != nullptr) {
        return take_from_origin(folio, offset, entry);
    }
    folio_fulfil_promise(folio);
    return page_allocate(folio->object.account, 0, entry);
}

// Gives up what is shared or borrowed, for a copy of its own.
static status_t make_own(struct folio *folio, uint64_t offset, uint64_t *entry) {
    paddr_t before = page_of(*entry);
    uint64_t flags = *entry & ~PAGE_BORROWED & (PAGE_SIZE - 1);
    if ((*entry & PAGE_BORROWED) != 0) {
        TRY(folio_promise_page(folio));
        folio_fulfil_promise(folio);
    } else {
        page_free(folio->object.account, 0, before); // its other owners keep it
    }
    vmspace_unmap_folio(folio, offset, PAGE_SIZE);
    TRY(page_allocate_copy(folio->object.account, before, entry));
    *entry |= flags;
    return OK;
}

void folio_zero_page(uint64_t *entry) {
    if ((*entry & PAGE_UNZEROED) != 0) {
        memset(physical_to_kernel(page_of(*entry)), 0, PAGE_SIZE);
        *entry &= ~PAGE_UNZEROED;
    }
}

bool folio_find_page(const struct folio *folio, uint64_t offset, struct folio_page *out_page) {
    if (folio->kind != FOLIO_PAGES) {
        *out_page = (struct folio_page) {folio->base + (offset & ~(PAGE_SIZE - 1)), folio->kind != FOLIO_IMAGE};
        return true;
    }
    const uint64_t *entry = page_tree_find(&folio->pages, offset / PAGE_SIZE);
    if (entry == nullptr || *entry == 0 || (*entry & PAGE_UNZEROED) != 0) {
        return false;
    }
    bool is_writable = is_own(*entry) && (!folio->is_paged || (*entry & PAGE_DIRTY) != 0);
    *out_page = (struct folio_page) {page_of(*entry), is_writable};
    return true;
}

status_t folio_get_page(struct folio *folio, uint64_t offset, bool for_write, struct folio_page *out_page) {
    if (folio->kind == FOLIO_PAGES) {
        if (folio->is_paged && !folio_find_page(folio, offset, out_page)) {
            return folio->pager != nullptr ? ERR_EMPTY : ERR_CLOSED; // before its owner pays for anything
        }
        uint64_t *entry;
        TRY(page_tree_make(&folio->pages, offset / PAGE_SIZE, folio->object.account, &entry));
        if (*entry == 0) {
            TRY(take_page(folio, offset, entry));
        }
        folio_zero_page(entry);
        if (for_write && !is_own(*entry)) {
            TRY(make_own(folio, offset, entry));
        }
        if (for_write && folio->pager != nullptr) {
            pager_page_written(folio->pager, entry);
        } else if (for_write && folio->is_paged) {
            *entry |= PAGE_DIRTY; // nobody is to be told any more
        }
    }
    if (!folio_find_page(folio, offset, out_page)) {
        panic("a page that came is not there");
    }
    return OK;
}

struct pager *folio_pager(const struct folio *folio, uint64_t offset, uint64_t *out_offset) {
    if (folio->origin != nullptr) {
        *out_offset = folio->origin_offset + offset;
        return folio->origin->pager;
    }
    *out_offset = offset;
    return folio->pager;
}

uint64_t folio_present(const struct folio *folio, uint64_t offset, uint64_t size) {
    uint64_t present = 0;
    struct folio_page page;
    while (present < size && folio_find_page(folio, offset + present, &page)) {
        present += PAGE_SIZE;
    }
    return present < size ? present : size;
}

// --- Clones ---

// The page of an entry of the source becomes the clone's too.
static status_t share_entry(struct folio *clone, uint64_t index, struct folio *source, uint64_t source_index) {
    uint64_t *entry;
    TRY(page_tree_make(&clone->pages, index, clone->object.account, &entry));
    TRY(folio_promise_page(clone));
    const uint64_t *found = page_tree_find(&source->pages, source_index); // it may have been reclaimed
    if (*found == 0 || (*found & (PAGE_BORROWED | PAGE_UNZEROED)) != 0) {
        folio_withdraw_promise(clone);
        *entry = (*found & PAGE_BORROWED) != 0 ? *found : 0;
        return OK;
    }
    folio_fulfil_promise(clone);
    return share(clone, page_of(*found), entry);
}

static void set_origin(struct folio *clone, struct folio *source, uint64_t offset) {
    bool is_origin = source->kind == FOLIO_IMAGE || source->is_paged;
    clone->origin = is_origin ? source : source->origin;
    clone->origin_offset = is_origin ? offset : source->origin_offset + offset;
    if (clone->origin != nullptr) {
        object_retain(&clone->origin->object);
    }
}

status_t folio_clone(struct account *account, struct folio *source, uint64_t offset, uint64_t size, uint32_t flags,
                     struct folio **out_folio) {
    struct folio *clone;
    TRY(folio_create(account, size, flags, &clone));
    set_origin(clone, source, offset);
    if (source->kind == FOLIO_PAGES) {
        vmspace_unmap_folio(source, offset, size);
        uint64_t first = offset / PAGE_SIZE, end = first + size / PAGE_SIZE;
        for (uint64_t at = first; page_tree_next(&source->pages, &at, end) != nullptr; at++) {
            status_t status = share_entry(clone, at - first, source, at);
            if (status != OK) {
                object_release(&clone->object);
                return status;
            }
        }
    }
    *out_folio = clone;
    return OK;
}
