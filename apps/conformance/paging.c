// Memory that comes when it is touched: sparse folios, clones, pagers.
#include "conformance.h"

enum : uint64_t { GIB = 1 << 30 };
enum : nsec_t { PATIENCE = 10 * NSEC_PER_SEC };

// A new folio, mapped; its first word of each page is its number plus `first`.
static status_t make_filled(uint64_t pages, uint64_t first, folio_t *out_folio, uint64_t *out_address) {
    TRY(folio_create(pages * PAGE_SIZE, 0, out_folio));
    TRY(map(*out_folio, pages * PAGE_SIZE, MAP_READ | MAP_WRITE, out_address));
    for (uint64_t i = 0; i < pages; i++) {
        *word_at(*out_address + i * PAGE_SIZE) = first + i;
    }
    return OK;
}

// --- First touch ---

TEST("a folio is paid for whole when it is made, and touching its pages costs nothing more") {
    enum : uint64_t { SIZE = 64 * PAGE_SIZE };
    folio_t folio;
    uint64_t address, before = used().memory_used;
    EXPECT_EQ(folio_create(SIZE, 0, &folio), OK);
    EXPECT(used().memory_used >= before + SIZE);
    EXPECT_EQ(map(folio, SIZE, MAP_READ | MAP_WRITE, &address), OK);
    uint64_t mapped = used().memory_used;
    for (uint64_t at = 0; at < SIZE; at += PAGE_SIZE) {
        EXPECT_EQ(*word_at(address + at), 0);
    }
    EXPECT_EQ(used().memory_used, mapped);
    EXPECT_EQ(vmspace_unmap(address), OK);
    EXPECT_EQ(handle_close(folio.handle), OK);
    EXPECT(used().memory_used < before + SIZE);
}

TEST("a sparse folio may be larger than all memory, and costs what is touched of it") {
    enum : uint64_t { SIZE = 8 * GIB, STEP = 512ull << 20 };
    folio_t folio;
    uint64_t address, before = used().memory_used;
    EXPECT_EQ(folio_create(SIZE, 0, &folio), ERR_NO_MEMORY);
    EXPECT_EQ(folio_create(SIZE, FOLIO_SPARSE, &folio), OK);
    EXPECT_EQ(map(folio, SIZE, MAP_READ | MAP_WRITE | MAP_MAY_FAULT, &address), OK);
    EXPECT(used().memory_used < before + 4 * PAGE_SIZE);
    for (uint64_t at = 0; at < SIZE; at += STEP) {
        EXPECT_EQ(*word_at(address + at), 0);
        *word_at(address + at) = at + 1;
    }
    for (uint64_t at = 0; at < SIZE; at += STEP) {
        EXPECT_EQ(*word_at(address + at), at + 1);
    }
    EXPECT(used().memory_used < before + SIZE / STEP * 6 * PAGE_SIZE);
    EXPECT_EQ(vmspace_unmap(address), OK);
    EXPECT_EQ(handle_close(folio.handle), OK);
}

TEST("a folio that may fault when it is touched is mapped by nobody who did not say so") {
    folio_t sparse, paged;
    uint64_t handles, address;
    EXPECT_EQ(folio_create(PAGE_SIZE, FOLIO_SPARSE, &sparse), OK);
    EXPECT_EQ(map(sparse, PAGE_SIZE, MAP_READ, &address), ERR_NOT_SUPPORTED);
    EXPECT_EQ(pager_create(PAGE_SIZE, PATIENCE, &handles), OK);
    paged = (folio_t) {(handle_t) (handles >> 32)};
    EXPECT_EQ(map(paged, PAGE_SIZE, MAP_READ, &address), ERR_NOT_SUPPORTED);
    folio_t clone;
    EXPECT_EQ(folio_clone(paged, 0, PAGE_SIZE, 0, &clone), OK);
    EXPECT_EQ(map(clone, PAGE_SIZE, MAP_READ, &address), ERR_NOT_SUPPORTED);
    EXPECT_EQ(map(clone, PAGE_SIZE, MAP_READ | MAP_MAY_FAULT, &address), OK);
    EXPECT_EQ(vmspace_unmap(address), OK);
    EXPECT_EQ(handle_close(clone.handle), OK);
    EXPECT_EQ(handle_close((handle_t) handles), OK);
    EXPECT_EQ(handle_close(paged.handle), OK);
    EXPECT_EQ(handle_close(sparse.handle), OK);
}

TEST("a sparse folio's pages beyond the limit are an error to who asks for them first, and come back") {
    folio_t folio;
    uint64_t present, count = 0, before = used().memory_used;
    EXPECT_EQ(folio_create(GIB, FOLIO_SPARSE, &folio), OK);
    status_t status = OK;
    while (status == OK) {
        status = folio_prefetch(folio, count * PAGE_SIZE, PAGE_SIZE, DEADLINE_NEVER, &present);
        count += status == OK;
    }
    EXPECT_EQ(status, ERR_NO_MEMORY);
    EXPECT(count > 16);
    EXPECT_EQ(handle_close(folio.handle), OK);
    EXPECT_EQ(used().memory_used, before);
}

TEST("system calls read and write memory that was never touched") {
    folio_t folio;
    uint64_t address;
    EXPECT_EQ(folio_create(4 * PAGE_SIZE, 0, &folio), OK);
    EXPECT_EQ(map(folio, 4 * PAGE_SIZE, MAP_READ | MAP_WRITE, &address), OK);
    // The second one over the border of two pages.
    EXPECT_EQ(system_info((struct system_info *) (uintptr_t) address), OK);
    EXPECT(((struct system_info *) (uintptr_t) address)->memory_total > 0);
    EXPECT_EQ(system_info((struct system_info *) (uintptr_t) (address + 2 * PAGE_SIZE - 8)), OK);
    EXPECT_EQ(log_write(3, (const void *) (uintptr_t) (address + 3 * PAGE_SIZE), 0), OK);
    EXPECT_EQ(vmspace_unmap(address), OK);
    EXPECT_EQ(handle_close(folio.handle), OK);
}

// --- Clones ---

TEST("a clone has what was there, and neither sees what the other writes later") {
    enum : uint64_t { PAGES = 8 };
    folio_t folio, clone;
    uint64_t original, copy, before = used().memory_used;
    EXPECT_EQ(make_filled(PAGES, 100, &folio, &original), OK);
    EXPECT_EQ(folio_clone(folio, 0, PAGES * PAGE_SIZE, 0, &clone), OK);
    EXPECT_EQ(map(clone, PAGES * PAGE_SIZE, MAP_READ | MAP_WRITE, &copy), OK);
    *word_at(original) = 1;
    *word_at(copy + PAGE_SIZE) = 2;
    EXPECT_EQ(*word_at(copy), 100);
    EXPECT_EQ(*word_at(original + PAGE_SIZE), 101);
    EXPECT_EQ(*word_at(original), 1);
    EXPECT_EQ(*word_at(copy + PAGE_SIZE), 2);
    EXPECT_EQ(vmspace_unmap(original), OK);
    EXPECT_EQ(handle_close(folio.handle), OK); // the clone needs it no longer
    for (uint64_t i = 2; i < PAGES; i++) {
        EXPECT_EQ(*word_at(copy + i * PAGE_SIZE), 100 + i);
    }
    EXPECT_EQ(vmspace_unmap(copy), OK);
    EXPECT_EQ(handle_close(clone.handle), OK);
    EXPECT(used().memory_used <= before + 4 * PAGE_SIZE); // page tables stay
}

TEST("a clone of a clone, of a part, and of pages that nobody touched") {
    folio_t folio, clone, part;
    uint64_t original, copy;
    EXPECT_EQ(folio_create(8 * PAGE_SIZE, 0, &folio), OK);
    EXPECT_EQ(map(folio, 8 * PAGE_SIZE, MAP_READ | MAP_WRITE, &original), OK);
    *word_at(original + 3 * PAGE_SIZE) = 3;
    EXPECT_EQ(folio_clone(folio, PAGE_SIZE, 4 * PAGE_SIZE, 0, &clone), OK);
    EXPECT_EQ(folio_clone(clone, PAGE_SIZE, 2 * PAGE_SIZE, 0, &part), OK);
    *word_at(original + 2 * PAGE_SIZE) = 2; // not touched before: the clones go on to see zeroes
    *word_at(original + 3 * PAGE_SIZE) = 33;
    EXPECT_EQ(map(part, 2 * PAGE_SIZE, MAP_READ | MAP_WRITE, &copy), OK);
    EXPECT_EQ(*word_at(copy), 0);
    EXPECT_EQ(*word_at(copy + PAGE_SIZE), 3);
    *word_at(copy + PAGE_SIZE) = 333;
    EXPECT_EQ(*word_at(original + 3 * PAGE_SIZE), 33);
    EXPECT_EQ(vmspace_unmap(copy), OK);
    EXPECT_EQ(vmspace_unmap(original), OK);
    EXPECT_EQ(handle_close(folio.handle), OK);
    EXPECT_EQ(handle_close(clone.handle), OK);
    EXPECT_EQ(handle_close(part.handle), OK);
}

TEST("a page with very many owners is still each one's own to write") {
    enum { CLONES = 140, HANDLES = 40 };
    folio_t folio, clones[HANDLES];
    uint64_t original, addresses[CLONES];
    EXPECT_EQ(make_filled(1, 7, &folio, &original), OK);
    for (size_t i = 0; i < CLONES; i++) {
        folio_t *clone = &clones[i % HANDLES];
        EXPECT_EQ(folio_clone(folio, 0, PAGE_SIZE, 0, clone), OK);
        EXPECT_EQ(map(*clone, PAGE_SIZE, MAP_READ | MAP_WRITE, &addresses[i]), OK);
        EXPECT_EQ(handle_close(clone->handle), OK); // its mapping keeps it
    }
    for (size_t i = 0; i < CLONES; i += 7) {
        *word_at(addresses[i]) = i + 1000;
    }
    for (size_t i = 0; i < CLONES; i++) {
        EXPECT_EQ(*word_at(addresses[i]), i % 7 == 0 ? i + 1000 : 7);
        EXPECT_EQ(vmspace_unmap(addresses[i]), OK);
    }
    EXPECT_EQ(*word_at(original), 7);
    EXPECT_EQ(vmspace_unmap(original), OK);
    EXPECT_EQ(handle_close(folio.handle), OK);
}

TEST("what can't be cloned is refused") {
    folio_t folio, contiguous, clone;
    EXPECT_EQ(folio_create(2 * PAGE_SIZE, 0, &folio), OK);
    EXPECT_EQ(folio_clone(folio, 0, 3 * PAGE_SIZE, 0, &clone), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(folio_clone(folio, PAGE_SIZE, 2 * PAGE_SIZE, 0, &clone), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(folio_clone(folio, 1, PAGE_SIZE, 0, &clone), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(folio_clone(folio, 0, 0, 0, &clone), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(folio_clone(folio, 0, PAGE_SIZE, FOLIO_CONTIGUOUS, &clone), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(folio_create(PAGE_SIZE, FOLIO_CONTIGUOUS, &contiguous), OK);
    EXPECT_EQ(folio_clone(contiguous, 0, PAGE_SIZE, 0, &clone), ERR_NOT_SUPPORTED);
    EXPECT_EQ(handle_close(contiguous.handle), OK);
    EXPECT_EQ(handle_close(folio.handle), OK);
}

// --- Pagers ---

// A pager with its folio, mapped for writing, and a poll that watches it.
struct paged {
    pager_t pager;
    folio_t folio;
    poll_t poll;
    uint64_t address, size;
};

static status_t paged_make(struct paged *paged, uint64_t pages, nsec_t patience) {
    uint64_t handles;
    paged->size = pages * PAGE_SIZE;
    TRY(pager_create(paged->size, patience, &handles));
    paged->pager = (pager_t) {(handle_t) handles};
    paged->folio = (folio_t) {(handle_t) (handles >> 32)};
    TRY(poll_create(&paged->poll));
    TRY(poll_add(paged->poll, paged->pager.handle, 1));
    return map(paged->folio, paged->size, MAP_READ | MAP_WRITE | MAP_MAY_FAULT, &paged->address);
}

static void paged_end(struct paged *paged) {
    (void) vmspace_unmap(paged->address);
    (void) handle_close(paged->folio.handle);
    (void) handle_close(paged->pager.handle);
    (void) handle_close(paged->poll.handle);
}

// Supplies pages whose first word is their number plus `first`.
static status_t supply(const struct paged *paged, uint64_t page, uint64_t pages, uint64_t first) {
    folio_t source;
    uint64_t address;
    TRY(make_filled(pages, first + page, &source, &address));
    status_t status = pager_supply(paged->pager, page * PAGE_SIZE, pages * PAGE_SIZE, source, 0);
    bool has_moved = status != OK || *word_at(address) == 0;
    TRY(vmspace_unmap(address));
    TRY(handle_close(source.handle));
    return has_moved ? status : ERR_STATE;
}

static bool is_event(const struct paged *paged, enum event_kind kind, uint64_t page, uint64_t pages) {
    const struct event *event = &thread_buffer->event;
    return wait_for(paged->poll, kind, 1) == OK && event->value == page * PAGE_SIZE && event->size == pages * PAGE_SIZE;
}

static struct paged shared;
static _Atomic uint64_t touched, touch_status;

// On threads of their own.
[[noreturn]] static void touch(uint64_t page, struct thread_buffer *) {
    touched += *word_at(shared.address + page * PAGE_SIZE);
    thread_exit();
}

[[noreturn]] static void prefetch(uint64_t page, struct thread_buffer *) {
    uint64_t present;
    touch_status = (uint64_t) folio_prefetch(shared.folio, page * PAGE_SIZE, 2 * PAGE_SIZE, DEADLINE_NEVER, &present);
    touched++;
    thread_exit();
}

TEST("who touches a page waits until its pager supplies it, and all that wait for it go on") {
    touched = 0;
    EXPECT_EQ(paged_make(&shared, 8, PATIENCE), OK);
    EXPECT_EQ(start_thread(touch, 5), OK);
    EXPECT(is_event(&shared, EVENT_PAGE_NEEDED, 5, 1));
    EXPECT_EQ(start_thread(touch, 5), OK);
    EXPECT_EQ(supply(&shared, 4, 4, 1000), OK); // more than was asked for
    EXPECT(comes_to(&touched, 2 * 1005));
    EXPECT_EQ(*word_at(shared.address + 4 * PAGE_SIZE), 1004);
    EXPECT_EQ(*word_at(shared.address + 7 * PAGE_SIZE), 1007);
    EXPECT_EQ(supply(&shared, 5, 1, 2000), ERR_STATE); // is there: it stays, and the source keeps its own
    EXPECT_EQ(*word_at(shared.address + 5 * PAGE_SIZE), 1005);
    paged_end(&shared);
}

TEST("what is supplied is checked, and wrong ranges concern nobody but the pager") {
    struct paged paged;
    folio_t source, readable, other;
    uint64_t handles, address;
    EXPECT_EQ(paged_make(&paged, 4, PATIENCE), OK);
    EXPECT_EQ(make_filled(2, 0, &source, &address), OK);
    EXPECT_EQ(pager_supply(paged.pager, 3 * PAGE_SIZE, 2 * PAGE_SIZE, source, 0), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(pager_supply(paged.pager, 0, 3 * PAGE_SIZE, source, 0), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(pager_supply(paged.pager, 0, PAGE_SIZE, source, 2 * PAGE_SIZE), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(pager_supply(paged.pager, UINT64_MAX - PAGE_SIZE + 1, PAGE_SIZE, source, 0), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(pager_supply(paged.pager, 0, 17, source, 0), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(pager_supply(paged.pager, 0, 0, source, 0), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(pager_supply((pager_t) {source.handle}, 0, PAGE_SIZE, source, 0), ERR_WRONG_TYPE);
    EXPECT_EQ(pager_supply(paged.pager, 0, PAGE_SIZE, paged.folio, 0), ERR_NOT_SUPPORTED);
    EXPECT_EQ(handle_duplicate(source.handle, RIGHT_READ, &readable.handle), OK);
    EXPECT_EQ(pager_supply(paged.pager, 0, PAGE_SIZE, readable, 0), ERR_DENIED);
    EXPECT_EQ(pager_fail(paged.pager, 0, 5 * PAGE_SIZE), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(pager_write_begin(paged.pager, 5 * PAGE_SIZE, PAGE_SIZE), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(pager_write_end(paged.pager, 0, 0), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(pager_create(0, PATIENCE, &handles), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(pager_create(PAGE_SIZE, 0, &handles), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(pager_create(PAGE_SIZE, PAGER_PATIENCE_MAX + 1, &handles), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(pager_create(UINT64_MAX, PATIENCE, &handles), ERR_TOO_LARGE);
    EXPECT_EQ(folio_create(2 << 20, FOLIO_SPARSE, &other), OK);
    EXPECT_EQ(*word_at(address + PAGE_SIZE), 1); // nothing has moved
    EXPECT_EQ(handle_close(other.handle), OK);
    EXPECT_EQ(handle_close(readable.handle), OK);
    EXPECT_EQ(vmspace_unmap(address), OK);
    EXPECT_EQ(handle_close(source.handle), OK);
    paged_end(&paged);
}

static bool prefetch_ends_with(status_t expected) {
    return comes_to(&touched, 1) && touch_status == (uint64_t) expected;
}

TEST("a pager that fails, does not answer or goes is an error to who asks for a page first") {
    uint64_t present;
    touched = 0;
    struct paged impatient;
    EXPECT_EQ(paged_make(&impatient, 1, NSEC_PER_MSEC), OK);
    EXPECT_EQ(folio_prefetch(impatient.folio, 0, PAGE_SIZE, DEADLINE_NEVER, &present), ERR_TIMED_OUT);
    paged_end(&impatient);
    EXPECT_EQ(paged_make(&shared, 4, PATIENCE), OK);
    EXPECT_EQ(start_thread(prefetch, 1), OK);
    EXPECT(is_event(&shared, EVENT_PAGE_NEEDED, 1, 2));
    EXPECT_EQ(pager_fail(shared.pager, 0, 4 * PAGE_SIZE), OK);
    EXPECT(prefetch_ends_with(ERR_IO));
    EXPECT_EQ(folio_prefetch(shared.folio, 0, PAGE_SIZE, 1, &present), ERR_TIMED_OUT);
    EXPECT_EQ(supply(&shared, 0, 1, 7), OK);
    touched = 0;
    EXPECT_EQ(start_thread(prefetch, 2), OK);
    EXPECT(is_event(&shared, EVENT_PAGE_NEEDED, 2, 2));
    EXPECT_EQ(handle_close(shared.pager.handle), OK);
    EXPECT(prefetch_ends_with(ERR_CLOSED));
    EXPECT_EQ(folio_prefetch(shared.folio, 3 * PAGE_SIZE, PAGE_SIZE, DEADLINE_NEVER, &present), ERR_CLOSED);
    EXPECT_EQ(*word_at(shared.address), 7); // what is there stays
    paged_end(&shared);
}

TEST("a pager hears of what was written, again after it was stored, and of its folio's end") {
    struct paged paged;
    EXPECT_EQ(paged_make(&paged, 8, PATIENCE), OK);
    EXPECT_EQ(supply(&paged, 0, 8, 0), OK);
    *word_at(paged.address + 2 * PAGE_SIZE) = 22;
    *word_at(paged.address + 3 * PAGE_SIZE) = 33;
    *word_at(paged.address + 6 * PAGE_SIZE) = 66;
    EXPECT(is_event(&paged, EVENT_PAGE_DIRTY, 2, 2));
    EXPECT(is_event(&paged, EVENT_PAGE_DIRTY, 6, 1));
    *word_at(paged.address + 3 * PAGE_SIZE) = 333; // is dirty, and it knows
    EXPECT_EQ(poll_wait(paged.poll, 0), ERR_TIMED_OUT);
    EXPECT_EQ(pager_write_begin(paged.pager, 0, 4 * PAGE_SIZE), OK);
    *word_at(paged.address + 3 * PAGE_SIZE) = 3333; // while it stores
    EXPECT(is_event(&paged, EVENT_PAGE_DIRTY, 3, 1));
    EXPECT_EQ(pager_write_end(paged.pager, 0, 4 * PAGE_SIZE), OK);
    EXPECT_EQ(*word_at(paged.address + 2 * PAGE_SIZE), 22);
    EXPECT_EQ(poll_wait(paged.poll, 0), ERR_TIMED_OUT);
    EXPECT_EQ(vmspace_unmap(paged.address), OK);
    EXPECT_EQ(handle_close(paged.folio.handle), OK);
    EXPECT_EQ(wait_for(paged.poll, EVENT_CLOSED, 1), OK);
    EXPECT_EQ(pager_fail(paged.pager, 0, PAGE_SIZE), ERR_CLOSED);
    paged_end(&paged);
}

TEST("pages that can be had again make room for others, and dirty ones do not") {
    enum : uint64_t { PAGES = 2048, AT_ONCE = 16, DIRTY_EVERY = 256, ROOM = 512 * PAGE_SIZE }; // for a quarter of them
    struct paged paged;
    folio_t filler;
    uint64_t present = 0, clean = 0;
    EXPECT_EQ(folio_create(used().memory_limit - used().memory_used - ROOM, 0, &filler), OK);
    EXPECT_EQ(paged_make(&paged, PAGES, PATIENCE), OK);
    for (uint64_t page = 0; page < PAGES; page += AT_ONCE) {
        EXPECT_EQ(supply(&paged, page, AT_ONCE, 5000), OK);
        if (page % DIRTY_EVERY == 0) {
            *word_at(paged.address + page * PAGE_SIZE) = page;
        }
    }
    ktimer_t timers[40];
    for (size_t i = 0; i < 40; i++) { // small objects too: more than a page of them
        EXPECT_EQ(timer_create(&timers[i]), OK);
    }
    for (size_t i = 0; i < 40; i++) {
        EXPECT_EQ(handle_close(timers[i].handle), OK);
    }
    for (uint64_t page = 0; page < PAGES; page++) {
        bool is_there = folio_prefetch(paged.folio, page * PAGE_SIZE, PAGE_SIZE, 1, &present) == OK;
        EXPECT(is_there || page % DIRTY_EVERY != 0);
        if (is_there) {
            EXPECT_EQ(*word_at(paged.address + page * PAGE_SIZE), page % DIRTY_EVERY == 0 ? page : 5000 + page);
            clean += page % DIRTY_EVERY != 0;
        }
    }
    EXPECT(clean > 0 && clean < PAGES / 2);
    EXPECT_EQ(handle_close(filler.handle), OK);
    paged_end(&paged);
}

TEST("a clone of a pager's folio takes what is there, and the rest when it is touched") {
    folio_t clone;
    uint64_t copy;
    touched = 0;
    EXPECT_EQ(paged_make(&shared, 4, PATIENCE), OK);
    EXPECT_EQ(supply(&shared, 0, 1, 40), OK);
    EXPECT_EQ(folio_clone(shared.folio, 0, 4 * PAGE_SIZE, 0, &clone), OK);
    EXPECT_EQ(map(clone, 4 * PAGE_SIZE, MAP_READ | MAP_WRITE | MAP_MAY_FAULT, &copy), OK);
    *word_at(copy) = 1;
    EXPECT_EQ(*word_at(shared.address), 40);
    EXPECT_EQ(vmspace_unmap(shared.address), OK);
    shared.address = copy; // for the thread
    EXPECT_EQ(start_thread(touch, 2), OK);
    EXPECT(is_event(&shared, EVENT_PAGE_NEEDED, 2, 1));
    EXPECT_EQ(supply(&shared, 2, 1, 40), OK);
    EXPECT(comes_to(&touched, 42));
    *word_at(copy + 2 * PAGE_SIZE) = 2;
    EXPECT_EQ(poll_wait(shared.poll, 0), ERR_TIMED_OUT); // the pager's own page is not dirty
    EXPECT_EQ(handle_close(clone.handle), OK);
    paged_end(&shared);
}

static poll_t waited_on;

[[noreturn]] static void wait_for_a_message(uint64_t, struct thread_buffer *) {
    touched += poll_wait(waited_on, DEADLINE_NEVER) == OK;
    thread_exit();
}

// Its folio's last handle is closed while a message with it is delivered to another thread of the same process. (The folio is
// not mapped any more, so the thread that waits for a page would be ended: it is told that a page came, and not here.)
TEST("a folio may end in the middle of a message, whoever waits for its pages") {
    struct pair pair;
    ktimer_t fillers[64];
    size_t filled = 0;
    uint64_t present;
    touched = touch_status = 0;
    EXPECT_EQ(paged_make(&shared, 4, PATIENCE), OK);
    EXPECT_EQ(start_thread(prefetch, 1), OK);
    EXPECT(is_event(&shared, EVENT_PAGE_NEEDED, 1, 2));
    EXPECT_EQ(vmspace_unmap(shared.address), OK);
    EXPECT_EQ(channel_pair(&pair), OK);
    write_message(KIND_SEND, 8);
    message_out()->header.handle_count = 1;
    message_out()->header.handles[0] = shared.folio.handle;
    EXPECT_EQ(channel_send(pair.a), OK);
    EXPECT_EQ(poll_create(&waited_on), OK);
    EXPECT_EQ(start_thread(wait_for_a_message, 0), OK);
    (void) folio_prefetch(shared.folio, 0, PAGE_SIZE, 0, &present); // gone: it is on its way
    EXPECT_EQ(poll_wait(shared.poll, clock_ns() + 20 * NSEC_PER_MSEC), ERR_TIMED_OUT);
    while (filled < 64 && timer_create(&fillers[filled]) == OK) {
        filled++;
    }
    EXPECT(filled > 0 && filled < 64);
    EXPECT_EQ(poll_add(waited_on, pair.b.handle, 7), OK); // delivers it, without a place for the handle
    EXPECT(comes_to(&touched, 2));
    EXPECT_EQ(touch_status, (uint64_t) ERR_CLOSED);
    while (filled > 0) {
        EXPECT_EQ(handle_close(fillers[--filled].handle), OK);
    }
    EXPECT_EQ(wait_for(shared.poll, EVENT_CLOSED, 1), OK);
    EXPECT_EQ(handle_close(waited_on.handle), OK);
    EXPECT_EQ(handle_close(shared.pager.handle), OK);
    EXPECT_EQ(handle_close(shared.poll.handle), OK);
    pair_close(&pair);
}

TEST("what is there can be read and written though its pager is gone") {
    struct paged paged;
    EXPECT_EQ(paged_make(&paged, 2, PATIENCE), OK);
    EXPECT_EQ(supply(&paged, 0, 2, 10), OK);
    *word_at(paged.address) = 1;
    EXPECT_EQ(handle_close(paged.pager.handle), OK);
    *word_at(paged.address) = 2;
    *word_at(paged.address + PAGE_SIZE) = 3;
    EXPECT_EQ(*word_at(paged.address), 2);
    EXPECT_EQ(*word_at(paged.address + PAGE_SIZE), 3);
    EXPECT_EQ(vmspace_unmap(paged.address), OK);
    EXPECT_EQ(handle_close(paged.folio.handle), OK);
    EXPECT_EQ(handle_close(paged.poll.handle), OK);
}
