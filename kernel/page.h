// Physical pages: a buddy allocator that touches memory only as it is handed out.
#pragma once

#include "account.h"
#include "arch.h"

enum { PAGE_ORDER_MAX = 11 }; // largest block: 2^11 pages, 8 MiB

void page_init(void); // from boot_info

// Gives 2^order zeroed, physically contiguous pages. ERR_NO_MEMORY: the account's limit or the machine.
status_t page_allocate(struct account *account, unsigned order, paddr_t *out_page);
status_t page_allocate_copy(struct account *account, paddr_t from, paddr_t *out_page); // one page, with another's content
void page_free(struct account *account, unsigned order, paddr_t page);                 // of a shared page: by one of its owners

// Charges an account, whose pages that can be had again make room. ERR_NO_MEMORY
status_t page_charge(struct account *account, uint64_t bytes);

// Promises: what is reserved is charged now, and single pages of it can be had later without fail, by giving up as much of
// the reservation directly before. ERR_NO_MEMORY
status_t page_reserve(struct account *account, uint64_t bytes);
void page_unreserve(struct account *account, uint64_t bytes);

// A block of memory that is charged and reserved already, with whatever is in it: it is the reservation's from now on. No page
// is reclaimed for it. False: there is none in one piece
bool page_take_reserved(unsigned order, paddr_t *out_block);

// Gives a page another owner, who pays as for a page of its own: the memory for a copy is reserved, so that none of the
// owners can be refused one. Such an owner frees its share and then allocates. ERR_NO_MEMORY, ERR_LIMIT: too many owners
status_t page_share(struct account *account, paddr_t page);
bool page_is_shared(paddr_t page);
bool page_any_is_shared(paddr_t block, unsigned order); // of a block's pages

// Frees a page of the account (nullptr: of any) whose content can be had again. False: there is none (pager.c).
bool page_reclaim(const struct account *account);

unsigned page_order_for(uint64_t bytes); // smallest order whose block holds `bytes`

extern uint64_t page_total_bytes, page_free_bytes, page_reserved_bytes;

static inline uint64_t page_available_bytes(void) {
    return page_free_bytes - page_reserved_bytes;
}
