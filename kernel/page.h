// Physical pages: a buddy allocator that touches memory only as it is handed out.
#pragma once

#include "account.h"
#include "arch.h"

enum { PAGE_ORDER_MAX = 11 }; // largest block: 2^11 pages, 8 MiB

void page_init(void); // from boot_info

// Gives 2^order zeroed, physically contiguous pages. ERR_NO_MEMORY: the account's limit or the machine.
status_t page_allocate(struct account *account, unsigned order, paddr_t *out_page);
void page_free(struct account *account, unsigned order, paddr_t page);

unsigned page_order_for(uint64_t bytes); // smallest order whose block holds `bytes`

extern uint64_t page_total_bytes, page_free_bytes;
