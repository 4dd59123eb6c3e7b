// Large pages: blocks of folios that come in one piece, zeroed part by part, which one entry of a page directory maps.
#include "folio.h"

#include "memory.h"
#include "page.h"

enum : unsigned { PART_PAGES = 64 }; // 256 KiB are zeroed at a time: interrupts and other CPUs wait so long

static bool is_empty(const uint64_t *entries) {
    for (unsigned i = 0; i < BLOCK_PAGES; i++) {
        if (entries[i] != 0) {
            return false;
        }
    }
    return true;
}

bool folio_is_in_one_piece(const uint64_t *entries) {
    paddr_t block = page_of(entries[0]);
    if (block == 0 || block % ARCH_LARGE_PAGE_SIZE != 0) {
        return false;
    }
    for (unsigned i = 0; i < BLOCK_PAGES; i++) {
        if ((entries[i] & ~PAGE_UNZEROED) != block + i * PAGE_SIZE) {
            return false;
        }
    }
    return !page_any_is_shared(block, BLOCK_ORDER);
}

// All of it is promised.
static bool take_block(struct folio *folio, uint64_t *entries) {
    paddr_t block;
    if (!page_take_reserved(BLOCK_ORDER, &block)) {
        return false;
    }
    folio->promised -= ARCH_LARGE_PAGE_SIZE;
    for (unsigned i = 0; i < BLOCK_PAGES; i++) {
        entries[i] = (block + i * PAGE_SIZE) | PAGE_UNZEROED;
    }
    return true;
}

static unsigned first_unzeroed(const uint64_t *entries, unsigned from) {
    while (from < BLOCK_PAGES && (entries[from] & PAGE_UNZEROED) == 0) {
        from++;
    }
    return from;
}

// Is all of it zeroed then?
static bool zero_part(uint64_t *entries) {
    unsigned first = first_unzeroed(entries, 0), index = first;
    while (index < BLOCK_PAGES && index < first + PART_PAGES) {
        folio_zero_page(&entries[index++]);
    }
    return first_unzeroed(entries, index) == BLOCK_PAGES;
}

status_t folio_get_large_page(struct folio *folio, uint64_t offset, bool may_come, paddr_t *out_physical) {
    uint64_t *entries = page_tree_find(&folio->pages, offset / PAGE_SIZE);
    if (may_come && folio->origin == nullptr && is_empty(entries)) {
        may_come = take_block(folio, entries);
    }
    if (!folio_is_in_one_piece(entries)) {
        return ERR_NOT_FOUND;
    }
    *out_physical = page_of(entries[0]);
    bool is_zeroed = may_come ? zero_part(entries) : first_unzeroed(entries, 0) == BLOCK_PAGES;
    return is_zeroed ? OK : ERR_BUSY;
}
