// mem_bench: measures folios, mappings and page faults.
#include <bench/bench.h>

#include <file.client.h>
#include <needs.h>

enum : uint64_t { PAGES = 128, MANY_PAGES = 8192, PAGES_PER_MIB = 256, FILE_PAGES = 32, FOLIOS = 32 };
enum : uint64_t { SIZE = PAGES * PAGE_SIZE };
enum : uint32_t { READABLE = MAP_READ | MAP_MAY_FAULT, WRITABLE = MAP_READ | MAP_WRITE | MAP_MAY_FAULT };
enum : nsec_t { OPEN_TIMEOUT = 5 * NSEC_PER_SEC };

static nsec_t write_each(uint64_t address, uint64_t pages) {
    nsec_t start = clock_ns();
    for (uint64_t at = 0; at < pages * PAGE_SIZE; at += PAGE_SIZE) {
        *(volatile uint8_t *) (uintptr_t) (address + at) = 1;
    }
    return clock_ns() - start;
}

static nsec_t read_each(uint64_t address, uint64_t pages) {
    nsec_t start = clock_ns();
    for (uint64_t at = 0; at < pages * PAGE_SIZE; at += PAGE_SIZE) {
        (void) *(volatile uint8_t *) (uintptr_t) (address + at);
    }
    return clock_ns() - start;
}

static status_t make(uint64_t pages, uint32_t flags, folio_t *out_folio, uint64_t *out_address) {
    TRY(folio_create(pages * PAGE_SIZE, flags, out_folio));
    return vmspace_map(*out_folio, 0, pages * PAGE_SIZE, WRITABLE, out_address);
}

static status_t drop(folio_t folio, uint64_t address) {
    TRY(vmspace_unmap(address));
    return handle_close(folio.handle);
}

// --- What is measured ---

static status_t create(nsec_t *out_ns) {
    nsec_t start = clock_ns();
    for (uint64_t i = 0; i < FOLIOS; i++) {
        folio_t folio;
        TRY(folio_create(PAGE_SIZE, 0, &folio));
        TRY(handle_close(folio.handle));
    }
    *out_ns = clock_ns() - start;
    return OK;
}

static status_t map(nsec_t *out_ns) {
    folio_t folio;
    TRY(folio_create(PAGE_SIZE, 0, &folio));
    nsec_t start = clock_ns();
    for (uint64_t i = 0; i < FOLIOS; i++) {
        uint64_t address;
        TRY(vmspace_map(folio, 0, PAGE_SIZE, MAP_READ, &address));
        TRY(vmspace_unmap(address));
    }
    *out_ns = clock_ns() - start;
    return handle_close(folio.handle);
}

static status_t touch_with(uint64_t pages, uint32_t flags, nsec_t *out_ns) {
    folio_t folio;
    uint64_t address;
    TRY(make(pages, flags, &folio, &address));
    *out_ns = write_each(address, pages);
    return drop(folio, address);
}

static status_t touch(nsec_t *out_ns) {
    return touch_with(PAGES, 0, out_ns);
}

static status_t touch_sparse(nsec_t *out_ns) {
    return touch_with(PAGES, FOLIO_SPARSE, out_ns);
}

// Large pages and single ones.
static status_t touch_many(nsec_t *out_ns) {
    return touch_with(MANY_PAGES, 0, out_ns);
}

static status_t touch_many_sparse(nsec_t *out_ns) {
    return touch_with(MANY_PAGES, FOLIO_SPARSE, out_ns);
}

static status_t drop_many_with(uint32_t flags, nsec_t *out_ns) {
    folio_t folio;
    uint64_t address;
    TRY(make(MANY_PAGES, flags, &folio, &address));
    (void) write_each(address, MANY_PAGES);
    nsec_t start = clock_ns();
    TRY(drop(folio, address));
    *out_ns = clock_ns() - start;
    return OK;
}

static status_t drop_many(nsec_t *out_ns) {
    return drop_many_with(0, out_ns);
}

static status_t drop_many_sparse(nsec_t *out_ns) {
    return drop_many_with(FOLIO_SPARSE, out_ns);
}

static status_t touch_again(nsec_t *out_ns) {
    folio_t folio;
    uint64_t address;
    TRY(make(PAGES, 0, &folio, &address));
    (void) write_each(address, PAGES);
    *out_ns = write_each(address, PAGES);
    return drop(folio, address);
}

static status_t clone(nsec_t *out_ns) {
    folio_t folio, copy;
    uint64_t address;
    TRY(make(PAGES, 0, &folio, &address));
    (void) write_each(address, PAGES);
    nsec_t start = clock_ns();
    TRY(folio_clone(folio, 0, SIZE, 0, &copy));
    *out_ns = clock_ns() - start;
    TRY(handle_close(copy.handle));
    return drop(folio, address);
}

// Of a folio whose pages are all shared with a clone.
static status_t write_clone(nsec_t *out_ns) {
    folio_t folio, copy;
    uint64_t address;
    TRY(make(PAGES, 0, &folio, &address));
    (void) write_each(address, PAGES);
    TRY(folio_clone(folio, 0, SIZE, 0, &copy));
    *out_ns = write_each(address, PAGES);
    TRY(handle_close(copy.handle));
    return drop(folio, address);
}

// Of a file that another component supplies, page by page.
static status_t touch_file(nsec_t *out_ns) {
    struct file_open_reply file;
    uint64_t address;
    TRY(file_open_call(need_file(), &(struct file_open) {.path = BYTES("/file")}, &file, OPEN_TIMEOUT));
    folio_t folio = folio_take(&file.folio);
    TRY(vmspace_map(folio, 0, FILE_PAGES * PAGE_SIZE, READABLE, &address));
    *out_ns = read_each(address, FILE_PAGES);
    return drop(folio, address);
}

// Page faults, not instructions: per MiB that is touched.
static status_t count_faults(const char *name, bench_round *round) {
    struct process_info before, after;
    nsec_t ns;
    TRY(process_info((process_t) {HANDLE_INVALID}, &before));
    TRY(round(&ns));
    TRY(process_info((process_t) {HANDLE_INVALID}, &after));
    bench_log(name, after.page_faults - before.page_faults, MANY_PAGES / PAGES_PER_MIB);
    return OK;
}

static status_t run(void) {
    static const struct {
        const char *name;
        bench_round *round;
        uint64_t operations;
    } subjects[] = {
        {"create", create, FOLIOS},
        {"map", map, FOLIOS},
        {"touch_again", touch_again, PAGES},
        {"touch", touch, PAGES},
        {"touch_sparse", touch_sparse, PAGES},
        {"clone", clone, PAGES},
        {"write_clone", write_clone, PAGES},
        {"touch_file", touch_file, FILE_PAGES},
        {"touch_many", touch_many, MANY_PAGES},
        {"touch_many_sparse", touch_many_sparse, MANY_PAGES},
        {"drop_many", drop_many, MANY_PAGES},
        {"drop_many_sparse", drop_many_sparse, MANY_PAGES},
    };
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
        nsec_t ns;
        TRY(bench_median(subjects[i].round, &ns));
        bench_log(subjects[i].name, ns, subjects[i].operations);
    }
    TRY(count_faults("faults_many", touch_many));
    return count_faults("faults_many_sparse", touch_many_sparse);
}

static status_t start(void) {
    TRY(run());
    log_info("done");
    component_exit(0);
}

COMPONENT(mem_bench, .start = start);
