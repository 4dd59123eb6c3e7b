// The kernel heap: pieces are zeroed, nobody else's, charged to who asked, and all of them come back.
//
// test-with: kernel/heap.c kernel/page.c kernel/account.c
#include "heap.h"

#include <test/kernel/machine.h>
#include <test/test.h>

enum : uint64_t { RAM = 16 << 20 };
enum { HELD_MAX = 2000 };

static struct account account = {.limit = UINT64_MAX};

struct held {
    void *pointer;
    size_t size;
    uint8_t mark;
} held[HELD_MAX];
static unsigned held_count;

static bool take(size_t size) {
    void *pointer = held_count < HELD_MAX ? heap_allocate(size, &account) : nullptr;
    if (pointer == nullptr) {
        return false;
    }
    if (!is_filled(pointer, 0, size) || (uintptr_t) pointer % 16 != 0) {
        panic("a piece of %zu bytes is not zeroed or not aligned", size);
    }
    held[held_count] = (struct held) {pointer, size, (uint8_t) (held_count % 255 + 1)};
    memset(pointer, held[held_count].mark, size);
    held_count++;
    return true;
}

static bool give_back(unsigned index) {
    struct held piece = held[index];
    held[index] = held[--held_count];
    bool is_intact = is_filled(piece.pointer, piece.mark, piece.size);
    memset(piece.pointer, 0xee, piece.size); // its next user must not see this
    heap_free(piece.pointer, piece.size, &account);
    return is_intact;
}

TEST("pieces of all sizes, taken and given back at random, keep their contents") {
    machine_start(RAM);
    for (unsigned round = 0; round < 60000; round++) {
        if (random_below(2) == 0) {
            take(1 + random_below(random_below(20) == 0 ? 20000 : 1100));
        } else if (held_count > 0) {
            EXPECT(give_back(random_below(held_count)));
        }
    }
    while (held_count > 0) {
        EXPECT(give_back(random_below(held_count)));
    }
    EXPECT_EQ(account.used, 0);
}

TEST("a heap that was full gives all but a page per size back to the machine") {
    machine_start(RAM);
    uint64_t free_before = page_free_bytes;
    const size_t sizes[] = {24, 100, 500, 1024, 5000};
    for (unsigned i = 0; i < HELD_MAX; i++) {
        EXPECT(take(sizes[i % 5]));
    }
    while (held_count > 0) {
        EXPECT(give_back(random_below(held_count)));
    }
    EXPECT(page_free_bytes >= free_before - 6 * PAGE_SIZE);
}

TEST("an account pays at least what it asked for, and its limit holds to the byte") {
    machine_start(RAM);
    for (account.limit = 0; account.limit <= 4096; account.limit += 32) {
        uint64_t asked = 0;
        while (take(90)) {
            asked += 90;
            EXPECT(account.used >= asked);
            EXPECT(account.used <= account.limit);
        }
        while (held_count > 0) {
            EXPECT(give_back(0));
        }
        EXPECT_EQ(account.used, 0);
    }
}

TEST("when the machine is full, nothing is charged and every size is refused") {
    machine_start(RAM);
    paddr_t page;
    while (page_allocate(&kernel_account, 0, &page) == OK) {
    }
    EXPECT(!take(8));
    EXPECT(!take(1024));
    EXPECT(!take(1025));
    EXPECT(!take(1 << 20));
    EXPECT_EQ(account.used, 0);
    page_free(&kernel_account, 0, page);
    EXPECT(take(8));
}

TEST("a size that no block holds is refused") {
    machine_start(RAM);
    EXPECT(!take((PAGE_SIZE << PAGE_ORDER_MAX) + 1));
    EXPECT(!take(SIZE_MAX));
    EXPECT_EQ(account.used, 0);
}

TEST("freeing nothing does nothing") {
    machine_start(RAM);
    heap_free(nullptr, 100, &account);
    EXPECT_EQ(account.used, 0);
}

TEST("an account outlives its process until what it paid for comes back") {
    machine_start(RAM);
    struct account *own = account_create(4096);
    void *piece = heap_allocate(100, own);
    account_close(own);
    EXPECT_EQ(own->used, 128);
    heap_free(piece, 100, own); // and with it the account: the sanitizer can't see that, but a new one takes its place
    EXPECT(account_create(1) == own);
}
