// Physical pages: a buddy allocator. Blocks enter the free lists only when they are needed ("the frontier" moves up),
// so boot does no work proportional to the memory's size.
#include "page.h"

#include "list.h"
#include "memory.h"

// One byte per page: the order of the free block that begins there, plus 1; PAGE_SHARED plus the number of owners beyond
// the first; 0 for anything else.
enum : uint8_t { NOT_A_FREE_BLOCK = 0, PAGE_SHARED = 0x80, PAGE_SHARED_MAX = 0xff };

struct zone {
    paddr_t base;     // first page
    paddr_t end;      // past the last page
    paddr_t frontier; // pages from here on were never handed out
    uint8_t *state;   // per page, below the frontier
};

static struct zone zones[MEMORY_RANGES_MAX];
static size_t zone_count;
static struct list free_blocks[PAGE_ORDER_MAX + 1];
uint64_t page_total_bytes, page_free_bytes, page_reserved_bytes;

static uint64_t block_bytes(unsigned order) {
    return PAGE_SIZE << order;
}

static uint8_t *block_state(struct zone *zone, paddr_t block) {
    return &zone->state[(block - zone->base) / PAGE_SIZE];
}

static void push_block(struct zone *zone, paddr_t block, unsigned order) {
    *block_state(zone, block) = (uint8_t) (order + 1);
    list_push_front(&free_blocks[order], physical_to_kernel(block));
}

static void remove_block(struct zone *zone, paddr_t block) {
    *block_state(zone, block) = NOT_A_FREE_BLOCK;
    list_remove(physical_to_kernel(block));
}

static struct zone *zone_of(paddr_t page) {
    for (size_t i = 0; i < zone_count; i++) {
        if (page >= zones[i].base && page < zones[i].end) {
            return &zones[i];
        }
    }
    panic("page %#lx is not RAM", (unsigned long) page);
}

// The state bytes live in the zone's own first pages; those of pages above the frontier are zeroed when it moves.
static void add_zone(struct memory_range range) {
    uint64_t pages = range.size / PAGE_SIZE;
    uint64_t state_bytes = (pages + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
    if (state_bytes + PAGE_SIZE > range.size) {
        return;
    }
    zones[zone_count++] = (struct zone) {
        .base = range.base,
        .end = range.base + pages * PAGE_SIZE,
        .frontier = range.base + state_bytes,
        .state = physical_to_kernel(range.base),
    };
    memset(physical_to_kernel(range.base), NOT_A_FREE_BLOCK, state_bytes / PAGE_SIZE); // of these pages themselves
    page_total_bytes += pages * PAGE_SIZE;
    page_free_bytes += pages * PAGE_SIZE - state_bytes;
    kernel_account.used += state_bytes;
}

void page_init(void) {
    for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++) {
        list_init(&free_blocks[order]);
    }
    for (size_t i = 0; i < boot_info.ram_count; i++) {
        add_zone(boot_info.ram[i]);
    }
}

// Moves the frontier of some zone over one naturally aligned block of at least the order. Smaller blocks that the
// alignment skips go to the free lists.
static bool advance_frontier(unsigned order) {
    for (size_t i = 0; i < zone_count; i++) {
        struct zone *zone = &zones[i];
        paddr_t aligned = (zone->frontier + block_bytes(order) - 1) & ~(block_bytes(order) - 1);
        if (aligned >= zone->end || zone->end - aligned < block_bytes(order)) {
            continue;
        }
        paddr_t past = aligned + block_bytes(order);
        memset(block_state(zone, zone->frontier), NOT_A_FREE_BLOCK, (past - zone->frontier) / PAGE_SIZE);
        while (zone->frontier < past) {
            unsigned fit = (unsigned) __builtin_ctzll(zone->frontier / PAGE_SIZE);
            fit = fit > order ? order : fit;
            push_block(zone, zone->frontier, fit);
            zone->frontier += block_bytes(fit);
        }
        return true;
    }
    return false;
}

[[gnu::always_inline]] static inline bool take_block(unsigned order, paddr_t *out_block) {
    unsigned found = order;
    while (found <= PAGE_ORDER_MAX && list_is_empty(&free_blocks[found])) {
        found++;
    }
    if (found > PAGE_ORDER_MAX) {
        if (!advance_frontier(order)) {
            return false;
        }
        found = order;
    }
    paddr_t block = kernel_to_physical(free_blocks[found].next);
    struct zone *zone = zone_of(block);
    remove_block(zone, block);
    while (found > order) {
        found--;
        push_block(zone, block + block_bytes(found), found);
    }
    *out_block = block;
    return true;
}

enum { RECLAIM_MAX = 4096 }; // pages at a time: 16 MiB

// Of an account's pages (nullptr: of anybody's) that can be had again, one more.
static bool reclaim(const struct account *account, unsigned *reclaimed) {
    return (*reclaimed)++ < RECLAIM_MAX && page_reclaim(account);
}

status_t page_charge(struct account *account, uint64_t bytes) {
    unsigned reclaimed = 0;
    while (account_charge(account, bytes) != OK) {
        if (!reclaim(account, &reclaimed)) {
            return ERR_NO_MEMORY;
        }
    }
    return OK;
}

status_t page_reserve(struct account *account, uint64_t bytes) {
    unsigned reclaimed = 0;
    TRY(page_charge(account, bytes));
    while (bytes > page_available_bytes()) {
        if (!reclaim(nullptr, &reclaimed)) {
            account_release(account, bytes);
            return ERR_NO_MEMORY;
        }
    }
    page_reserved_bytes += bytes;
    return OK;
}

void page_unreserve(struct account *account, uint64_t bytes) {
    page_reserved_bytes -= bytes;
    account_release(account, bytes);
}

[[gnu::always_inline]] static inline bool take_reserved(unsigned order, paddr_t *out_block) {
    if (!take_block(order, out_block)) {
        return false;
    }
    page_reserved_bytes -= block_bytes(order);
    page_free_bytes -= block_bytes(order);
    return true;
}

[[gnu::noinline]] bool page_take_reserved(unsigned order, paddr_t *out_block) {
    return take_reserved(order, out_block);
}

// With whatever is in it.
static status_t allocate(struct account *account, unsigned order, paddr_t *out_page) {
    if (order > PAGE_ORDER_MAX) {
        return ERR_NO_MEMORY;
    }
    unsigned reclaimed = 0;
    TRY(page_reserve(account, block_bytes(order)));
    while (!take_reserved(order, out_page)) { // there is enough, though not in one piece
        if (!reclaim(nullptr, &reclaimed)) {
            page_unreserve(account, block_bytes(order));
            return ERR_NO_MEMORY;
        }
    }
    return OK;
}

status_t page_allocate(struct account *account, unsigned order, paddr_t *out_page) {
    TRY(allocate(account, order, out_page));
    memset(physical_to_kernel(*out_page), 0, block_bytes(order));
    return OK;
}

status_t page_allocate_copy(struct account *account, paddr_t from, paddr_t *out_page) {
    TRY(allocate(account, 0, out_page));
    arch_copy(physical_to_kernel(*out_page), physical_to_kernel(from), PAGE_SIZE / sizeof(uint64_t));
    return OK;
}

status_t page_share(struct account *account, paddr_t page) {
    uint8_t *state = block_state(zone_of(page), page);
    if (*state == PAGE_SHARED_MAX) {
        return ERR_LIMIT;
    }
    TRY(page_reserve(account, PAGE_SIZE));
    *state = *state == NOT_A_FREE_BLOCK ? PAGE_SHARED + 1 : *state + 1;
    return OK;
}

bool page_is_shared(paddr_t page) {
    return *block_state(zone_of(page), page) > PAGE_SHARED;
}

bool page_any_is_shared(paddr_t block, unsigned order) {
    const uint8_t *state = block_state(zone_of(block), block);
    uint8_t any = 0;
    for (size_t i = 0; i < 1u << order; i++) {
        any |= state[i];
    }
    return (any & PAGE_SHARED) != 0;
}

static void leave_shared(uint8_t *state) {
    (*state)--;
    if (*state == PAGE_SHARED) {
        *state = NOT_A_FREE_BLOCK;
    }
}

void page_free(struct account *account, unsigned order, paddr_t page) {
    struct zone *zone = zone_of(page);
    if (page_is_shared(page)) {
        leave_shared(block_state(zone, page));
        page_unreserve(account, PAGE_SIZE);
        return;
    }
    page_free_bytes += block_bytes(order);
    account_release(account, block_bytes(order));
    while (order < PAGE_ORDER_MAX) {
        paddr_t buddy = page ^ block_bytes(order);
        if (buddy < zone->base || buddy + block_bytes(order) > zone->frontier || *block_state(zone, buddy) != order + 1) {
            break;
        }
        remove_block(zone, buddy);
        page = page < buddy ? page : buddy;
        order++;
    }
    push_block(zone, page, order);
}

unsigned page_order_for(uint64_t bytes) {
    unsigned order = 0;
    while (order <= PAGE_ORDER_MAX && block_bytes(order) < bytes) {
        order++;
    }
    return order;
}
