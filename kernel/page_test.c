// The page allocator: what it gives is aligned, zeroed and nobody else's, and all of it comes back.
//
// test-with: kernel/page.c kernel/account.c kernel/heap.c
#include "page.h"

#include <test/kernel/machine.h>
#include <test/test.h>

enum : uint64_t { MIB = 1 << 20, RAM = 24 * MIB };
enum { HELD_MAX = 8192 };

static struct account account = {.limit = UINT64_MAX};

struct held {
    paddr_t page;
    unsigned order;
    uint8_t mark;
} held[HELD_MAX];
static unsigned held_count;

static uint64_t bytes_of(unsigned order) {
    return PAGE_SIZE << order;
}

static bool take(unsigned order) {
    struct held *block = &held[held_count];
    if (held_count == HELD_MAX || page_allocate(&account, order, &block->page) != OK) {
        return false;
    }
    bool is_good = block->page % bytes_of(order) == 0 && is_filled(physical_to_kernel(block->page), 0, bytes_of(order));
    if (!is_good) {
        panic("block %#lx of order %u is not aligned or not zeroed", (unsigned long) block->page, order);
    }
    block->order = order;
    block->mark = (uint8_t) (held_count % 255 + 1);
    memset(physical_to_kernel(block->page), block->mark, bytes_of(order));
    held_count++;
    return true;
}

// False: somebody else has written there.
static bool give_back(unsigned index) {
    struct held block = held[index];
    held[index] = held[--held_count];
    bool is_intact = is_filled(physical_to_kernel(block.page), block.mark, bytes_of(block.order));
    page_free(&account, block.order, block.page);
    return is_intact;
}

TEST("all pages can be had one by one, each once, and come back as the blocks they were") {
    machine_start(RAM);
    uint64_t free_before = page_free_bytes;
    while (take(0)) {
    }
    EXPECT_EQ(page_free_bytes, 0);
    EXPECT_EQ((uint64_t) held_count * PAGE_SIZE, free_before);
    EXPECT_EQ(account.used, free_before);
    while (held_count > 0) {
        EXPECT(give_back(random_below(held_count)));
    }
    EXPECT_EQ(page_free_bytes, free_before);
    EXPECT_EQ(account.used, 0);
    EXPECT(take(PAGE_ORDER_MAX)); // they were merged
    EXPECT(take(PAGE_ORDER_MAX));
}

TEST("blocks of all sizes, taken and given back at random, never overlap") {
    machine_start(RAM);
    uint64_t free_before = page_free_bytes;
    for (unsigned round = 0; round < 5000; round++) {
        if (random_below(2) == 0) {
            take(random_below(random_below(PAGE_ORDER_MAX + 1) + 1));
        } else if (held_count > 0) {
            EXPECT(give_back(random_below(held_count)));
        }
        EXPECT_EQ(page_free_bytes + account.used, free_before);
    }
    while (held_count > 0) {
        EXPECT(give_back(0));
    }
    EXPECT_EQ(page_free_bytes, free_before);
}

TEST("an account's limit holds, and a refused block costs nothing") {
    machine_start(RAM);
    uint64_t free_before = page_free_bytes;
    account.limit = 3 * PAGE_SIZE;
    paddr_t page;
    EXPECT_EQ(page_allocate(&account, 2, &page), ERR_NO_MEMORY);
    EXPECT_EQ(page_allocate(&account, PAGE_ORDER_MAX + 1, &page), ERR_NO_MEMORY);
    EXPECT_EQ(page_free_bytes, free_before);
    EXPECT_EQ(account.used, 0);
    EXPECT(take(1));
    EXPECT(take(0));
    EXPECT(!take(0));
    EXPECT_EQ(account.peak, 3 * PAGE_SIZE);
}

TEST("a machine without a large enough block refuses it and gives smaller ones") {
    machine_start(4 * MIB);
    uint64_t free_before = page_free_bytes;
    EXPECT(!take(PAGE_ORDER_MAX));
    EXPECT_EQ(account.used, 0);
    EXPECT_EQ(page_free_bytes, free_before);
    EXPECT(take(8));
}

TEST("a block can be taken out of what is reserved, if there is one in one piece") {
    enum : unsigned { ORDER = 9 };
    paddr_t block;
    machine_start(8 * MIB);
    uint64_t free_before = page_free_bytes;
    EXPECT_EQ(page_reserve(&account, bytes_of(ORDER)), OK);
    EXPECT(page_take_reserved(ORDER, &block));
    EXPECT_EQ(block % bytes_of(ORDER), 0);
    EXPECT_EQ(page_reserved_bytes, 0);
    EXPECT_EQ(page_free_bytes, free_before - bytes_of(ORDER));
    EXPECT_EQ(account.used, bytes_of(ORDER));
    page_free(&account, ORDER, block);
    EXPECT_EQ(page_free_bytes, free_before);
    while (take(ORDER - 1)) {
    }
    for (unsigned i = held_count; i-- > 0;) {
        if (held[i].page % bytes_of(ORDER) == 0) {
            EXPECT(give_back(i)); // the other half of each block stays
        }
    }
    EXPECT_EQ(page_reserve(&account, bytes_of(ORDER)), OK);
    EXPECT(!page_take_reserved(ORDER, &block));
    EXPECT_EQ(page_reserved_bytes, bytes_of(ORDER));
}

TEST("of a block it is known whether any of its pages is shared") {
    enum : unsigned { ORDER = 9 };
    paddr_t block;
    machine_start(8 * MIB);
    EXPECT_EQ(page_allocate(&account, ORDER, &block), OK);
    EXPECT(!page_any_is_shared(block, ORDER));
    for (unsigned i = 0; i < 1u << ORDER; i += 73) {
        EXPECT_EQ(page_share(&account, block + i * PAGE_SIZE), OK);
        EXPECT(page_any_is_shared(block, ORDER));
        page_free(&account, 0, block + i * PAGE_SIZE);
        EXPECT(!page_any_is_shared(block, ORDER));
    }
}

TEST("memory in several pieces is used in all of them, and blocks do not span two") {
    uint8_t *memory = aligned_alloc(8 * MIB, 16 * MIB);
    boot_info = (struct boot_info) {.ram = {{(paddr_t) memory, 2 * MIB}, {(paddr_t) memory + 2 * MIB + 3 * PAGE_SIZE, 3 * MIB}},
                                    .ram_count = 2};
    page_init();
    uint64_t free_before = page_free_bytes;
    EXPECT(page_total_bytes == 5 * MIB);
    while (take(0)) {
    }
    EXPECT_EQ((uint64_t) held_count * PAGE_SIZE, free_before);
    while (held_count > 0) {
        EXPECT(give_back(random_below(held_count)));
    }
    EXPECT_EQ(page_free_bytes, free_before);
}

TEST("a size's order is the smallest that holds it") {
    EXPECT_EQ(page_order_for(1), 0);
    EXPECT_EQ(page_order_for(PAGE_SIZE), 0);
    EXPECT_EQ(page_order_for(PAGE_SIZE + 1), 1);
    EXPECT_EQ(page_order_for(bytes_of(PAGE_ORDER_MAX)), PAGE_ORDER_MAX);
    EXPECT(page_order_for(bytes_of(PAGE_ORDER_MAX) + 1) > PAGE_ORDER_MAX);
    EXPECT(page_order_for(UINT64_MAX) > PAGE_ORDER_MAX);
}
