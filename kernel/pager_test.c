// Folios of every kind against a simple model of them, at random, with little memory: contents, promises, and what comes
// back in the end.
//
// test-with: kernel/folio.c kernel/folio_pages.c kernel/page_tree.c kernel/page.c kernel/account.c kernel/heap.c
// test-with: kernel/handle.c kernel/large_page.c kernel/pager.c
#include "pager.h"

#include "heap.h"
#include "page.h"
#include "process.h"
#include "scheduler.h"
#include "syscall.h"
#include "vmspace.h"

#include <test/kernel/machine.h>
#include <test/test.h>

status_t sys_pager_create(struct thread *thread, uint64_t size, uint64_t patience, uint64_t *out_handles);
status_t sys_pager_supply(struct thread *thread, handle_t handle, uint64_t offset, uint64_t size, handle_t source,
                          uint64_t source_offset);
status_t sys_pager_write_begin(struct thread *thread, handle_t handle, uint64_t offset, uint64_t size);
status_t sys_pager_write_end(struct thread *thread, handle_t handle, uint64_t offset, uint64_t size);

enum : uint64_t {
    MIB = 1 << 20,
    RAM = 16 * MIB,
    LIMIT = 6 * MIB,
    MORE_RAM = 40 * MIB,
    MORE = 24 * MIB,
    LARGE = ARCH_LARGE_PAGE_SIZE
};
enum { FOLIOS = 24, BLOCKS_MAX = 2 };
enum { PAGES_MAX = BLOCKS_MAX * BLOCK_PAGES + 76, STEPS = 200000 }; // some folios have two levels of pages

// --- The rest of the kernel ---

static struct thread thread;
static struct process process;
static struct account *account;

nsec_t arch_clock_now(void) {
    return 1000;
}

bool arch_is_ram(paddr_t, uint64_t) {
    return true;
}

void object_release(struct object *object) {
    if (--object->references > 0) {
        return;
    }
    if (object->type == OBJECT_FOLIO) {
        folio_destroy(object);
    } else {
        pager_destroy(object);
    }
}

status_t process_add_handle(struct process *to, struct object *object, uint32_t rights, uint64_t *out_handle) {
    handle_t handle;
    TRY(handle_add(&to->handles, (struct grant) {object, (uint16_t) rights}, &handle));
    *out_handle = handle;
    return OK;
}

void process_close_handle(struct process *from, handle_t handle) {
    struct handle_entry *entry;
    if (handle_find(&from->handles, handle, &entry) == OK) {
        object_release(handle_remove(&from->handles, entry).object);
    }
}

void watch_init(struct watch *watch, struct object *source) {
    watch->source = source;
}

void watch_end(struct watch *) {
}

void watch_signal(struct watch *) {
}

void thread_block(struct thread *, nsec_t) {
    panic("nobody waits here");
}

void thread_end_wait(struct thread *, status_t) {
}

void thread_end_fault(struct thread *, status_t) {
}

void scheduler_make_ready(struct thread *) {
}

// --- The model ---

struct model {
    struct folio *folio; // nullptr: none
    handle_t handle, pager;
    uint64_t pages;
    bool is_paged, is_clone_of_paged;
    uint8_t content[PAGES_MAX]; // the byte that fills a page
    uint8_t stored[PAGES_MAX];  // of a paged one: what the pager supplies
    bool is_known[PAGES_MAX];   // of clones of paged folios: it has the page, whose content is settled
    struct model *origin;       // of such a clone
    uint64_t origin_page;
    unsigned clones;            // that have it as their origin
    paddr_t mapped[BLOCKS_MAX]; // large pages that somebody has mapped for writing. 0: not
} models[FOLIOS];

static unsigned large_pages, large_parts, unmapped_large_pages;

void vmspace_unmap_folio(const struct folio *folio, uint64_t offset, uint64_t size) {
    for (unsigned i = 0; i < FOLIOS; i++) {
        for (uint64_t block = 0; models[i].folio == folio && block < BLOCKS_MAX; block++) {
            if (models[i].mapped[block] != 0 && offset < (block + 1) * LARGE && offset + size > block * LARGE) {
                models[i].mapped[block] = 0;
                unmapped_large_pages++;
            }
        }
    }
}

static struct model *some(bool exists) {
    struct model *model = &models[random_below(FOLIOS)];
    return (model->folio != nullptr) == exists ? model : nullptr;
}

static void adopt(struct model *model, struct folio *folio, uint64_t pages) {
    uint64_t handle;
    *model = (struct model) {.folio = folio, .pages = pages};
    if (process_add_handle(&process, &folio->object, RIGHT_READ | RIGHT_WRITE, &handle) != OK) {
        panic("no room for a handle");
    }
    model->handle = (handle_t) handle;
}

static void create(void) {
    struct model *model = some(false);
    uint64_t pages = 1 + random_below(random_below(4) == 0 ? PAGES_MAX : 40);
    struct folio *folio;
    if (model != nullptr && folio_create(account, pages * PAGE_SIZE, random_below(2) == 0 ? FOLIO_SPARSE : 0, &folio) == OK) {
        adopt(model, folio, pages);
    }
}

static bool make_paged(struct model *model, uint64_t pages) {
    uint64_t handles;
    struct object *object;
    if (sys_pager_create(&thread, pages * PAGE_SIZE, NSEC_PER_SEC, &handles) != OK ||
        handle_get(&process.handles, (handle_t) (handles >> 32), OBJECT_FOLIO, 0, &object) != OK) {
        return false;
    }
    *model = (struct model) {.folio = (struct folio *) object,
                             .handle = (handle_t) (handles >> 32),
                             .pager = (handle_t) handles,
                             .pages = pages,
                             .is_paged = true};
    return true;
}

static void create_paged(void) {
    struct model *model = some(false);
    if (model == nullptr || !make_paged(model, 1 + random_below(PAGES_MAX))) {
        return;
    }
    for (uint64_t i = 0; i < model->pages; i++) {
        model->content[i] = model->stored[i] = (uint8_t) random_below(256);
    }
}

static void destroy(struct model *model) {
    if (model->clones > 0) {
        return; // they would be left without their pages
    }
    if (model->pager != HANDLE_INVALID && random_below(2) == 0) {
        process_close_handle(&process, model->pager);
        model->pager = HANDLE_INVALID;
    }
    process_close_handle(&process, model->handle);
    if (model->pager != HANDLE_INVALID) {
        process_close_handle(&process, model->pager);
    }
    if (model->origin != nullptr) {
        model->origin->clones--;
    }
    model->folio = nullptr;
}

static void clone(struct model *source) {
    struct model *model = some(false);
    if (source == nullptr || model == nullptr) {
        return;
    }
    uint64_t first = random_below((uint32_t) source->pages), pages = 1 + random_below((uint32_t) (source->pages - first));
    struct folio *folio;
    uint32_t flags = random_below(2) == 0 ? FOLIO_SPARSE : 0;
    if (folio_clone(account, source->folio, first * PAGE_SIZE, pages * PAGE_SIZE, flags, &folio) != OK) {
        return;
    }
    adopt(model, folio, pages);
    for (uint64_t i = 0; i < pages; i++) {
        struct folio_page page;
        model->content[i] = source->content[first + i];
        model->is_known[i] = folio_find_page(folio, i * PAGE_SIZE, &page);
    }
    if (source->is_paged || source->is_clone_of_paged) {
        model->is_clone_of_paged = true;
        model->origin = source->is_paged ? source : source->origin;
        model->origin_page = source->is_paged ? first : source->origin_page + first;
        model->origin->clones++;
    }
}

// What a page holds must be what the model says.
static void check(const struct model *model, uint64_t at, const struct folio_page *page) {
    if (!is_filled(physical_to_kernel(page->physical), model->content[at], PAGE_SIZE)) {
        panic("page %lu is not what was written", (unsigned long) at);
    }
}

// Supplies a page from a new folio, as a pager does.
static bool supply(struct model *model, uint64_t at) {
    struct folio *source;
    struct folio_page page;
    uint64_t handle;
    if (folio_create(account, PAGE_SIZE, random_below(2) == 0 ? FOLIO_SPARSE : 0, &source) != OK) {
        return false;
    }
    bool is_filled_in = folio_get_page(source, 0, true, &page) == OK;
    if (is_filled_in) {
        memset(physical_to_kernel(page.physical), model->stored[at], PAGE_SIZE);
    }
    if (process_add_handle(&process, &source->object, RIGHT_READ | RIGHT_WRITE, &handle) != OK) {
        panic("no room for a handle");
    }
    status_t status =
        is_filled_in ? sys_pager_supply(&thread, model->pager, at * PAGE_SIZE, PAGE_SIZE, (handle_t) handle, 0) : ERR_NO_MEMORY;
    process_close_handle(&process, (handle_t) handle);
    return status == OK;
}

static void store(struct model *model, uint64_t at) {
    if (sys_pager_write_begin(&thread, model->pager, at * PAGE_SIZE, PAGE_SIZE) != OK ||
        sys_pager_write_end(&thread, model->pager, at * PAGE_SIZE, PAGE_SIZE) != OK) {
        panic("a page can't be stored");
    }
    model->stored[at] = model->content[at];
}

static void settle(struct model *model, uint64_t at) {
    if (model->is_clone_of_paged && !model->is_known[at]) {
        model->content[at] = model->origin->content[model->origin_page + at];
        model->is_known[at] = true;
    }
}

static void fill_page(struct model *model, uint64_t at, paddr_t physical) {
    model->content[at] = (uint8_t) random_below(256);
    memset(physical_to_kernel(physical), model->content[at], PAGE_SIZE);
}

// A large page that is mapped is what the folio has, and nobody else's, until it is unmapped.
static void check_mapped(const struct model *model) {
    for (uint64_t block = 0; block < BLOCKS_MAX; block++) {
        paddr_t physical;
        if (model->mapped[block] != 0 &&
            (folio_get_large_page(model->folio, block * LARGE, false, &physical) != OK || physical != model->mapped[block])) {
            panic("a large page is mapped that the folio has not");
        }
    }
}

static void touch(void) {
    struct model *model = some(true);
    if (model == nullptr) {
        return;
    }
    uint64_t at = random_below((uint32_t) model->pages);
    bool is_write = random_below(2) == 0;
    struct folio_page page;
    status_t status = folio_get_page(model->folio, at * PAGE_SIZE, is_write, &page);
    if (status == ERR_EMPTY) {
        struct model *paged = model->is_paged ? model : model->origin;
        uint64_t needed = model->is_paged ? at : model->origin_page + at;
        if (!supply(paged, needed)) {
            return;
        }
        status = folio_get_page(model->folio, at * PAGE_SIZE, is_write, &page);
    }
    bool may_fail = model->folio->is_sparse || model->is_clone_of_paged;
    if (status != OK) {
        if (!may_fail || (status != ERR_NO_MEMORY && status != ERR_EMPTY)) {
            panic("a page is refused with %d", status);
        }
        return;
    }
    settle(model, at);
    check(model, at, &page);
    check_mapped(model);
    if (is_write) {
        if (!page.is_writable) {
            panic("page %lu can't be written", (unsigned long) at);
        }
        fill_page(model, at, page.physical);
        if (model->is_paged && random_below(3) != 0) {
            store(model, at);
        }
    }
}

// Pagers' folios are sparse.
static struct model *some_with_block(uint64_t block) {
    for (unsigned tries = 0; tries < FOLIOS; tries++) {
        struct model *model = some(true);
        if (model != nullptr && !model->folio->is_sparse && (block + 1) * BLOCK_PAGES <= model->pages) {
            return model;
        }
    }
    return nullptr;
}

// Has a large page come, all or in part, and writes to it.
static void touch_large(void) {
    uint64_t block = random_below(BLOCKS_MAX);
    struct model *model = some_with_block(block);
    if (model == nullptr) {
        return;
    }
    paddr_t physical;
    status_t status = ERR_BUSY;
    for (unsigned part = 1 + random_below(8); part > 0 && status == ERR_BUSY; part--) {
        status = folio_get_large_page(model->folio, block * LARGE, true, &physical);
    }
    large_parts += status == ERR_BUSY;
    if (status != OK) {
        return;
    }
    large_pages++;
    model->mapped[block] = physical;
    for (uint64_t i = 0; i < BLOCK_PAGES; i++) {
        uint64_t at = block * BLOCK_PAGES + i;
        settle(model, at);
        check(model, at, &(struct folio_page) {.physical = physical + i * PAGE_SIZE});
        if (random_below(8) == 0) {
            fill_page(model, at, physical + i * PAGE_SIZE);
        }
    }
    if (random_below(3) == 0) {
        clone(model);
    }
}

static void check_all(const struct model *model) {
    check_mapped(model);
    for (uint64_t at = 0; at < model->pages; at++) {
        struct folio_page page;
        if (folio_find_page(model->folio, at * PAGE_SIZE, &page)) {
            check(model, at, &page);
        }
    }
}

static void set_up(uint64_t ram, uint64_t limit) {
    machine_start(ram);
    account = account_create(limit);
    process.account = account;
    thread.process = &process;
    list_init(&process.pins);
    if (handle_table_init(&process.handles, 256, account) != OK) {
        panic("no memory for handles");
    }
}

static void end_some(void) {
    struct model *model = some(true);
    if (model != nullptr && random_below(3) == 0) {
        check_all(model);
        destroy(model);
    }
}

static void step(void) {
    switch (random_below(16)) {
    case 0:
        create();
        break;
    case 1:
        create_paged();
        break;
    case 2:
        clone(some(true));
        break;
    case 3:
        end_some();
        break;
    case 4:
    case 5:
    case 6:
        touch_large();
        break;
    default:
        touch();
    }
}

static void end_all(void) {
    for (bool is_empty = false; !is_empty;) {
        is_empty = true;
        for (unsigned i = 0; i < FOLIOS; i++) {
            if (models[i].folio != nullptr) {
                is_empty = false;
                destroy(&models[i]);
            }
        }
    }
}

// True: all came back.
static bool run_with(uint64_t ram, uint64_t limit) {
    set_up(ram, limit);
    uint64_t used_before = account->used;
    for (unsigned i = 0; i < STEPS; i++) {
        step();
    }
    end_all();
    return account->used == used_before && page_reserved_bytes == 0 && account->peak <= limit;
}

TEST("folios, clones and pagers keep their contents and their promises with little memory, and give all of it back") {
    EXPECT(run_with(RAM, LIMIT));
}

TEST("and so they do with more of it, which has room for large pages") {
    EXPECT(run_with(MORE_RAM, MORE));
    EXPECT(large_pages > 500 && large_parts > 30 && unmapped_large_pages > 10);
}

static bool is_zero_at(struct folio *folio, uint64_t offset) {
    struct folio_page page;
    uint8_t bytes[64];
    folio_read(folio, offset, bytes, sizeof(bytes));
    return is_filled(bytes, 0, sizeof(bytes)) && folio_get_page(folio, offset, false, &page) == OK &&
           is_filled(physical_to_kernel(page.physical), 0, PAGE_SIZE);
}

TEST("nobody sees what was in memory before the rest of a large page is zeroed") {
    enum : uint64_t { AT = LARGE / 2, SIZE = 4 * PAGE_SIZE };
    struct folio *folio, *clone;
    struct folio_page page;
    paddr_t physical;
    uint64_t handle;
    set_up(RAM, LIMIT);
    EXPECT(make_paged(&models[0], 2 * SIZE / PAGE_SIZE));
    EXPECT_EQ(folio_create(account, LARGE, 0, &folio), OK);
    EXPECT_EQ(process_add_handle(&process, &folio->object, RIGHT_READ | RIGHT_WRITE, &handle), OK);
    EXPECT_EQ(folio_get_large_page(folio, 0, true, &physical), ERR_BUSY);
    EXPECT(folio_find_page(folio, 0, &page));
    EXPECT(!is_filled(physical_to_kernel(physical + AT), 0, PAGE_SIZE));
    EXPECT(!folio_find_page(folio, AT, &page));
    EXPECT_EQ(sys_pager_supply(&thread, models[0].pager, 0, SIZE, (handle_t) handle, AT), OK);
    EXPECT_EQ(folio_clone(account, folio, AT, SIZE, 0, &clone), OK);
    for (uint64_t at = 0; at < SIZE; at += PAGE_SIZE) {
        EXPECT(is_zero_at(models[0].folio, at));
        EXPECT(is_zero_at(clone, at));
        EXPECT(is_zero_at(folio, AT + at));
    }
}

TEST("where memory is in pieces, the pages of a large page come one by one") {
    enum : uint64_t { PIECE = LARGE / 2 };
    static paddr_t pieces[2 * RAM / LARGE];
    struct folio *folio;
    struct folio_page page;
    paddr_t physical;
    unsigned count = 0;
    set_up(RAM, RAM);
    EXPECT_EQ(folio_create(account, LARGE, 0, &folio), OK);
    uint64_t promised = account->used, reserved = page_reserved_bytes;
    while (page_take_reserved(page_order_for(PIECE), &pieces[count])) {
        count++;
    }
    page_reserved_bytes = reserved; // they were taken without
    EXPECT(count >= 8);
    for (unsigned i = 0; i < count; i++) {
        if (pieces[i] % LARGE == 0) {
            account->used += PIECE;
            page_free(account, page_order_for(PIECE), pieces[i]);
        }
    }
    EXPECT_EQ(folio_get_large_page(folio, 0, true, &physical), ERR_NOT_FOUND);
    for (uint64_t at = 0; at < LARGE; at += PAGE_SIZE) {
        EXPECT_EQ(folio_get_page(folio, at, true, &page), OK);
        EXPECT(is_filled(physical_to_kernel(page.physical), 0, PAGE_SIZE));
    }
    EXPECT_EQ(account->used, promised);
    EXPECT_EQ(page_reserved_bytes, reserved - LARGE);
}

TEST("asking for pages that are not there costs their owner nothing") {
    enum : uint64_t { PAGES = 1 << 28, STEP = 512 };
    set_up(RAM, LIMIT);
    EXPECT(make_paged(&models[0], PAGES));
    uint64_t before = account->used;
    for (uint64_t at = 0; at < PAGES; at += STEP) {
        struct folio_page page;
        EXPECT_EQ(folio_get_page(models[0].folio, at * PAGE_SIZE, false, &page), ERR_EMPTY);
    }
    EXPECT_EQ(account->used, before);
}

TEST("where memory is short for all pages that are supplied, the first ones are there") {
    enum : uint64_t { AT_ONCE = 32, ROOM = 14 };
    struct folio *source, *filler;
    struct folio_page page;
    uint64_t handle;
    set_up(RAM, LIMIT);
    EXPECT(make_paged(&models[0], 2 * AT_ONCE));
    EXPECT_EQ(folio_create(account, AT_ONCE * PAGE_SIZE, 0, &source), OK);
    EXPECT_EQ(process_add_handle(&process, &source->object, RIGHT_READ | RIGHT_WRITE, &handle), OK);
    uint64_t room = (account->limit - account->used) / PAGE_SIZE;
    EXPECT_EQ(folio_create(account, (room - ROOM) * PAGE_SIZE, 0, &filler), OK);
    for (uint64_t at = 0; at < 2 * AT_ONCE; at += AT_ONCE) {
        EXPECT_EQ(sys_pager_supply(&thread, models[0].pager, at * PAGE_SIZE, AT_ONCE * PAGE_SIZE, (handle_t) handle, 0), OK);
        EXPECT(folio_find_page(models[0].folio, at * PAGE_SIZE, &page));
        EXPECT(!folio_find_page(models[0].folio, (at + AT_ONCE - 1) * PAGE_SIZE, &page));
    }
    EXPECT(!folio_find_page(models[0].folio, 0, &page)); // those of the first call made room
}
