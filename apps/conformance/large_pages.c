// Large pages: what a component sees of them, which is that there are fewer faults, and nothing else.
#include "conformance.h"

enum : uint64_t {
    LARGE = 2 << 20,
    LARGE_PAGES = LARGE / PAGE_SIZE,
    FAULTS_MAX = 32, // a large page comes in parts
    MIDDLE = 100 * PAGE_SIZE,
};
enum : uint32_t { WRITABLE = MAP_READ | MAP_WRITE };

// Each page gets a word of its own.
static void fill(uint64_t address, uint64_t size, uint64_t first) {
    for (uint64_t at = 0; at < size; at += PAGE_SIZE) {
        *word_at(address + at) = first + at;
        *word_at(address + at + PAGE_SIZE - sizeof(uint64_t)) = ~(first + at);
    }
}

static bool holds(uint64_t address, uint64_t size, uint64_t first) {
    for (uint64_t at = 0; at < size; at += PAGE_SIZE) {
        bool is_right =
            *word_at(address + at) == first + at && *word_at(address + at + PAGE_SIZE - sizeof(uint64_t)) == ~(first + at);
        if (!is_right) {
            return false;
        }
    }
    return true;
}

static bool is_zero(uint64_t address, uint64_t size) {
    uint64_t any = 0;
    for (uint64_t at = 0; at < size; at += sizeof(uint64_t)) {
        any |= *word_at(address + at);
    }
    return any == 0;
}

static status_t make(uint64_t size, folio_t *out_folio, uint64_t *out_address) {
    TRY(folio_create(size, 0, out_folio));
    return map(*out_folio, size, WRITABLE, out_address);
}

static status_t drop(folio_t folio, uint64_t address) {
    TRY(vmspace_unmap(address));
    return handle_close(folio.handle);
}

// What threads of the tests before had comes back meanwhile: so memory may also become less.
TEST("two megabytes come zeroed in a few faults, whatever was in memory, and cost no more than was promised") {
    folio_t folio;
    uint64_t address;
    struct process_info before = used();
    EXPECT_EQ(make(LARGE, &folio, &address), OK);
    EXPECT_EQ(address % LARGE, 0);
    fill(address, LARGE, UINT64_MAX / 3);
    EXPECT_EQ(drop(folio, address), OK);
    EXPECT(used().memory_used <= before.memory_used);
    before = used();
    EXPECT_EQ(make(LARGE, &folio, &address), OK);
    uint64_t promised = used().memory_used;
    EXPECT(is_zero(address, LARGE));
    EXPECT(used().page_faults > before.page_faults && used().page_faults <= before.page_faults + FAULTS_MAX);
    EXPECT(used().memory_used <= promised);
    EXPECT_EQ(drop(folio, address), OK);
    EXPECT(used().memory_used <= before.memory_used);
}

TEST("the parts of a folio before and behind its large page are single pages") {
    folio_t folio;
    uint64_t address, faults;
    EXPECT_EQ(folio_create(2 * LARGE + 3 * PAGE_SIZE, 0, &folio), OK);
    EXPECT_EQ(vmspace_map(folio, LARGE - PAGE_SIZE, LARGE + 2 * PAGE_SIZE, WRITABLE, &address), OK);
    EXPECT_EQ(address % LARGE, LARGE - PAGE_SIZE); // as in the folio
    faults = used().page_faults;
    fill(address, LARGE + 2 * PAGE_SIZE, 7);
    EXPECT(used().page_faults > faults + 2 && used().page_faults <= faults + 2 + FAULTS_MAX);
    EXPECT(holds(address, LARGE + 2 * PAGE_SIZE, 7));
    EXPECT_EQ(drop(folio, address), OK);
}

TEST("a sparse folio comes page by page, and a mapping of less than a large page too") {
    folio_t folio;
    uint64_t address, faults;
    EXPECT_EQ(folio_create(LARGE, FOLIO_SPARSE, &folio), OK);
    EXPECT_EQ(map(folio, LARGE, WRITABLE | MAP_MAY_FAULT, &address), OK);
    faults = used().page_faults;
    fill(address, LARGE, 1);
    EXPECT_EQ(used().page_faults, faults + LARGE_PAGES);
    EXPECT_EQ(drop(folio, address), OK);
    EXPECT_EQ(folio_create(LARGE, 0, &folio), OK);
    EXPECT_EQ(map(folio, LARGE - PAGE_SIZE, WRITABLE, &address), OK);
    faults = used().page_faults;
    fill(address, LARGE - PAGE_SIZE, 1);
    EXPECT_EQ(used().page_faults, faults + LARGE_PAGES - 1);
    EXPECT_EQ(drop(folio, address), OK);
}

TEST("where single pages were mapped there is room for a large page later") {
    folio_t folio;
    uint64_t address, faults, last;
    EXPECT_EQ(folio_create(LARGE, FOLIO_SPARSE, &folio), OK);
    EXPECT_EQ(map(folio, LARGE, WRITABLE | MAP_MAY_FAULT, &address), OK);
    last = address + LARGE - PAGE_SIZE;
    *word_at(last) = 1;
    EXPECT_EQ(drop(folio, address), OK);
    EXPECT_EQ(make(LARGE, &folio, &address), OK);
    EXPECT(last - address < LARGE);
    faults = used().page_faults;
    fill(address, LARGE, 1);
    EXPECT(used().page_faults <= faults + FAULTS_MAX);
    EXPECT_EQ(drop(folio, address), OK);
}

TEST("other mappings of a large page, whole or in part, readable or writable, are of the same memory and end alone") {
    folio_t folio;
    uint64_t whole, second, part, faults;
    EXPECT_EQ(make(LARGE, &folio, &whole), OK);
    fill(whole, LARGE, 5);
    EXPECT_EQ(map(folio, LARGE, MAP_READ, &second), OK);
    EXPECT_EQ(vmspace_map(folio, MIDDLE, MIDDLE, WRITABLE, &part), OK);
    faults = used().page_faults;
    EXPECT(holds(second, LARGE, 5));
    EXPECT_EQ(used().page_faults, faults); // it was there when it was mapped
    EXPECT(holds(part, MIDDLE, 5 + MIDDLE));
    fill(part, MIDDLE, 6);
    EXPECT(holds(whole + MIDDLE, MIDDLE, 6) && holds(second + MIDDLE, MIDDLE, 6));
    EXPECT_EQ(vmspace_unmap(part), OK);
    EXPECT(holds(whole, MIDDLE, 5) && holds(whole + MIDDLE, MIDDLE, 6));
    EXPECT_EQ(vmspace_unmap(whole), OK);
    EXPECT(holds(second, MIDDLE, 5) && holds(second + MIDDLE, MIDDLE, 6));
    EXPECT_EQ(drop(folio, second), OK);
}

TEST("of a large page a part can be cloned, and neither side sees what the other writes") {
    folio_t folio, clone;
    uint64_t original, copy, before;
    EXPECT_EQ(make(LARGE, &folio, &original), OK);
    EXPECT_EQ(drop(folio, original), OK);
    before = used().memory_used;
    EXPECT_EQ(make(LARGE, &folio, &original), OK);
    fill(original, LARGE, 1);
    EXPECT_EQ(folio_clone(folio, MIDDLE, MIDDLE, 0, &clone), OK);
    EXPECT_EQ(map(clone, MIDDLE, WRITABLE, &copy), OK);
    fill(original + MIDDLE, PAGE_SIZE, 2);
    fill(copy + PAGE_SIZE, PAGE_SIZE, 3);
    EXPECT(holds(copy, PAGE_SIZE, 1 + MIDDLE) && holds(copy + PAGE_SIZE, PAGE_SIZE, 3));
    EXPECT(holds(copy + 2 * PAGE_SIZE, MIDDLE - 2 * PAGE_SIZE, 1 + MIDDLE + 2 * PAGE_SIZE));
    EXPECT(holds(original, MIDDLE, 1) && holds(original + MIDDLE, PAGE_SIZE, 2));
    EXPECT(holds(original + MIDDLE + PAGE_SIZE, LARGE - MIDDLE - PAGE_SIZE, 1 + MIDDLE + PAGE_SIZE));
    EXPECT_EQ(drop(clone, copy), OK);
    EXPECT(holds(original, MIDDLE, 1));
    EXPECT_EQ(drop(folio, original), OK);
    EXPECT(used().memory_used <= before);
}

TEST("a large page can be cloned whole, written on both sides, and given up on either") {
    folio_t folio, clone;
    uint64_t original, copy;
    EXPECT_EQ(make(LARGE, &folio, &original), OK);
    fill(original, LARGE, 1);
    EXPECT_EQ(folio_clone(folio, 0, LARGE, 0, &clone), OK);
    EXPECT_EQ(map(clone, LARGE, WRITABLE, &copy), OK);
    EXPECT(holds(copy, LARGE, 1));
    fill(copy + LARGE - PAGE_SIZE, PAGE_SIZE, 2);
    fill(original, PAGE_SIZE, 3);
    EXPECT(holds(original, PAGE_SIZE, 3) && holds(original + PAGE_SIZE, LARGE - PAGE_SIZE, 1 + PAGE_SIZE));
    EXPECT(holds(copy, LARGE - PAGE_SIZE, 1) && holds(copy + LARGE - PAGE_SIZE, PAGE_SIZE, 2));
    EXPECT_EQ(drop(folio, original), OK);
    fill(copy + MIDDLE, MIDDLE, 4); // nobody shares it now
    EXPECT(holds(copy, MIDDLE, 1) && holds(copy + MIDDLE, MIDDLE, 4));
    EXPECT(holds(copy + LARGE - PAGE_SIZE, PAGE_SIZE, 2));
    EXPECT_EQ(drop(clone, copy), OK);
}

TEST("a clone of what nobody has touched yet gets large pages of its own") {
    folio_t folio, clone;
    uint64_t original, copy, faults;
    EXPECT_EQ(make(LARGE, &folio, &original), OK);
    EXPECT_EQ(folio_clone(folio, 0, LARGE, 0, &clone), OK);
    EXPECT_EQ(map(clone, LARGE, WRITABLE, &copy), OK);
    faults = used().page_faults;
    fill(original, LARGE, 1);
    fill(copy, LARGE, 2);
    EXPECT(used().page_faults <= faults + 2 * FAULTS_MAX);
    EXPECT(holds(original, LARGE, 1) && holds(copy, LARGE, 2));
    EXPECT_EQ(drop(clone, copy), OK);
    EXPECT_EQ(drop(folio, original), OK);
}

TEST("pages can be supplied out of a large page, and are zero where they were") {
    enum : uint64_t { PAGES = 8, SIZE = PAGES * PAGE_SIZE };
    folio_t folio, paged;
    uint64_t handles, source, target;
    EXPECT_EQ(pager_create(SIZE, NSEC_PER_SEC, &handles), OK);
    paged = (folio_t) {(handle_t) (handles >> 32)};
    EXPECT_EQ(map(paged, SIZE, MAP_READ | MAP_MAY_FAULT, &target), OK);
    EXPECT_EQ(make(LARGE, &folio, &source), OK);
    fill(source, LARGE, 1);
    EXPECT_EQ(pager_supply((pager_t) {(handle_t) handles}, 0, SIZE, folio, MIDDLE), OK);
    EXPECT(holds(target, SIZE, 1 + MIDDLE));
    EXPECT(is_zero(source + MIDDLE, SIZE));
    EXPECT(holds(source, MIDDLE, 1) && holds(source + MIDDLE + SIZE, LARGE - MIDDLE - SIZE, 1 + MIDDLE + SIZE));
    EXPECT_EQ(drop(folio, source), OK);
    EXPECT(holds(target, SIZE, 1 + MIDDLE));
    EXPECT_EQ(drop(paged, target), OK);
    EXPECT_EQ(handle_close((handle_t) handles), OK);
}

TEST("system calls reach into large pages, into such that nobody has touched, and over their border") {
    folio_t folio;
    uint64_t address;
    struct system_info info = {};
    EXPECT_EQ(make(2 * LARGE, &folio, &address), OK);
    fill(address, LARGE, 1);
    EXPECT_EQ(system_info((struct system_info *) (uintptr_t) (address + LARGE - 8)), OK); // the second one comes page by page
    EXPECT_EQ(system_info((struct system_info *) (uintptr_t) (address + MIDDLE)), OK);
    EXPECT_EQ(system_info(&info), OK);
    EXPECT_EQ(((struct system_info *) (uintptr_t) (address + MIDDLE))->memory_total, info.memory_total);
    EXPECT(is_zero(address + LARGE + PAGE_SIZE, LARGE - PAGE_SIZE));
    EXPECT(holds(address, MIDDLE, 1));
    EXPECT_EQ(drop(folio, address), OK);
}

TEST("a large page that was asked for before it is mapped takes no fault") {
    folio_t folio;
    uint64_t address, present, faults;
    EXPECT_EQ(folio_create(LARGE, 0, &folio), OK);
    for (uint64_t at = 0; at < LARGE; at += present) {
        EXPECT_EQ(folio_prefetch(folio, at, LARGE - at, DEADLINE_NEVER, &present), OK);
        EXPECT(present > 0);
    }
    EXPECT_EQ(map(folio, LARGE, WRITABLE, &address), OK);
    faults = used().page_faults;
    EXPECT(is_zero(address, LARGE));
    fill(address, LARGE, 1);
    EXPECT_EQ(used().page_faults, faults);
    EXPECT_EQ(drop(folio, address), OK);
}

TEST("pages that were asked for out of order stay single ones") {
    folio_t folio;
    uint64_t address, present, faults;
    EXPECT_EQ(make(LARGE, &folio, &address), OK);
    EXPECT_EQ(folio_prefetch(folio, MIDDLE, PAGE_SIZE, DEADLINE_NEVER, &present), OK);
    EXPECT_EQ(present, PAGE_SIZE);
    faults = used().page_faults;
    EXPECT(is_zero(address, LARGE));
    EXPECT_EQ(used().page_faults, faults + LARGE_PAGES);
    fill(address, LARGE, 9);
    EXPECT_EQ(folio_prefetch(folio, 0, LARGE, DEADLINE_NEVER, &present), OK);
    EXPECT(holds(address, LARGE, 9));
    EXPECT_EQ(drop(folio, address), OK);
}

static _Atomic uint64_t shared_address, ready, written;

// Every third page, on a thread of its own.
[[noreturn]] static void write_some(uint64_t from, struct thread_buffer *) {
    ready++;
    while (ready < 3) {
    }
    for (uint64_t page = from; page < 2 * LARGE_PAGES; page += 3) {
        fill(shared_address + page * PAGE_SIZE, PAGE_SIZE, 1 + page * PAGE_SIZE);
    }
    written++;
    thread_exit();
}

TEST("threads that touch large pages at the same time all find what they and the others wrote") {
    folio_t folio;
    uint64_t address;
    for (unsigned round = 0; round < 2; round++) {
        EXPECT_EQ(make(2 * LARGE, &folio, &address), OK);
        shared_address = address;
        ready = written = 0;
        for (uint64_t from = 0; from < 3; from++) {
            EXPECT_EQ(start_thread(write_some, from), OK);
        }
        EXPECT(comes_to(&written, 3));
        EXPECT(holds(address, 2 * LARGE, 1));
        EXPECT_EQ(drop(folio, address), OK);
    }
}

static _Atomic bool is_over;

[[noreturn]] static void count_up(uint64_t address, struct thread_buffer *) {
    ready++;
    while (!is_over) {
        ++*word_at(address);
    }
    written++;
    thread_exit();
}

TEST("what another CPU writes to a large page does not reach its clone") {
    enum : unsigned { ROUNDS = 3 };
    folio_t folio, clone;
    uint64_t address, copy;
    for (unsigned round = 0; round < ROUNDS; round++) {
        EXPECT_EQ(make(LARGE, &folio, &address), OK);
        fill(address, LARGE, 1);
        ready = written = is_over = 0;
        EXPECT_EQ(start_thread(count_up, address + MIDDLE), OK);
        EXPECT(comes_to(&ready, 1));
        EXPECT_EQ(folio_clone(folio, 0, LARGE, 0, &clone), OK);
        EXPECT_EQ(map(clone, LARGE, MAP_READ, &copy), OK);
        uint64_t count = *word_at(copy + MIDDLE);
        nsec_t deadline = clock_ns() + 20 * NSEC_PER_SEC;
        while (*word_at(address + MIDDLE) < count + 100 && clock_ns() < deadline) { // it goes on
        }
        EXPECT(*word_at(address + MIDDLE) >= count + 100);
        EXPECT_EQ(*word_at(copy + MIDDLE), count);
        is_over = true;
        EXPECT(comes_to(&written, 1));
        EXPECT_EQ(*word_at(copy + MIDDLE), count);
        EXPECT_EQ(drop(clone, copy), OK);
        EXPECT_EQ(drop(folio, address), OK);
    }
}

TEST("a large page that is mapped for reading only can't be written, nor one's memory after its mapping has ended") {
    folio_t folio;
    uint64_t readable;
    EXPECT_EQ(folio_create(LARGE, 0, &folio), OK);
    EXPECT_EQ(map(folio, LARGE, MAP_READ, &readable), OK);
    EXPECT(is_zero(readable, LARGE));
    EXPECT_EQ(system_info((struct system_info *) (uintptr_t) (readable + MIDDLE)), ERR_BAD_ADDRESS);
    EXPECT(is_zero(readable, LARGE));
    EXPECT_EQ(vmspace_unmap(readable), OK);
    EXPECT_EQ(log_write(3, (const void *) (uintptr_t) (readable + MIDDLE), 1), ERR_BAD_ADDRESS);
    EXPECT_EQ(handle_close(folio.handle), OK);
}
