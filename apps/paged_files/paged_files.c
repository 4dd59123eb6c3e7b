// paged_files: files for tests of pagers.
//
//   /made_up     `pages` pages: the numbers 0, 1, 2, … of 64 bits
//   /remembered  `pages` pages, up to 8192, of which the first words can be written, and are stored when they are
//   /short       has 8 pages, and says that it has 16
//   /silent      a page of it never comes
//   /liar        supplies what it has not, to where nothing is, and says that it failed when all that was refused
//   /deadly      whoever touches a page of it kills the pager
#include <file.server.h>
#include <starina/pager.h>

enum { FILES_MAX = 16, PAGES_AT_ONCE = 16, REMEMBERED_MAX = 8192, SHORT_PAGES = 8 };
enum : nsec_t { PATIENCE = 500 * NSEC_PER_MSEC };

// Nothing is kept between two requests.
struct client {
    uint8_t unused;
};

static folio_t staging; // its pages are filled, and move to where they are needed
static uint64_t *staged;

static uint64_t configured_size(void) {
    return config_u64("pages", 64) * PAGE_SIZE;
}

// --- A file that is made up ---

static status_t make_up(pager_t pager, void *context, uint64_t offset, uint64_t size) {
    (void) context, (void) size;
    uint64_t rest = configured_size() - offset, most = PAGES_AT_ONCE * PAGE_SIZE;
    uint64_t length = rest < most ? rest : most;
    for (uint64_t i = 0; i < length / sizeof(uint64_t); i++) {
        staged[i] = offset / sizeof(uint64_t) + i;
    }
    return pager_supply(pager, offset, length, staging, 0);
}

// --- A file that remembers ---

static uint64_t remembered[REMEMBERED_MAX];

static status_t recall(pager_t pager, void *context, uint64_t offset, uint64_t size) {
    (void) context, (void) size;
    staged[0] = remembered[offset / PAGE_SIZE];
    return pager_supply(pager, offset, PAGE_SIZE, staging, 0);
}

static folio_t remembered_folio; // to read it when it was written

static void store(pager_t pager, void *context, uint64_t offset, uint64_t size) {
    (void) context;
    uint64_t address;
    status_t status = pager_write_begin(pager, offset, size);
    status = status == OK ? vmspace_map(remembered_folio, offset, size, MAP_READ | MAP_MAY_FAULT, &address) : status;
    if (status != OK) {
        log_error("can't store: %s", status_name(status));
        return;
    }
    for (uint64_t at = 0; at < size; at += PAGE_SIZE) {
        remembered[(offset + at) / PAGE_SIZE] = *(const volatile uint64_t *) (uintptr_t) (address + at);
    }
    (void) vmspace_unmap(address);
    (void) pager_write_end(pager, offset, size);
}

// --- Files that go wrong ---

static status_t supply_some(pager_t pager, void *context, uint64_t offset, uint64_t size) {
    (void) context, (void) size;
    return offset < SHORT_PAGES * PAGE_SIZE ? pager_supply(pager, offset, PAGE_SIZE, staging, 0) : ERR_NOT_FOUND;
}

static status_t say_nothing(pager_t pager, void *context, uint64_t offset, uint64_t size) {
    (void) pager, (void) context, (void) offset, (void) size;
    return OK;
}

static status_t lie(pager_t pager, void *context, uint64_t offset, uint64_t size) {
    (void) context, (void) size;
    const uint64_t wrong[][3] = {
        {1ull << 40, PAGE_SIZE, 0},
        {UINT64_MAX & ~(PAGE_SIZE - 1), PAGE_SIZE, 0},
        {offset, 1ull << 40, 0},
        {offset, PAGE_SIZE, 1ull << 40},
        {offset, 1, 0},
        {offset + 1, PAGE_SIZE, 0},
        {offset, 2ull << 20, 0},
        {offset, 0, 0},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        status_t status = pager_supply(pager, wrong[i][0], wrong[i][1], staging, wrong[i][2]);
        if (status == OK) {
            log_error("lie %zu was believed", i);
        }
    }
    return ERR_MALFORMED;
}

static status_t die(pager_t pager, void *context, uint64_t offset, uint64_t size) {
    (void) pager, (void) context, (void) offset, (void) size;
    component_exit(1);
}

// --- All of them ---

static const struct file {
    bytes_t path;
    uint64_t pages; // 0: as configured
    struct page_source source;
} files[] = {
    {BYTES("/made_up"), 0, {.needed = make_up}},
    {BYTES("/remembered"), 0, {.needed = recall, .dirty = store}},
    {BYTES("/short"), 2 * SHORT_PAGES, {.needed = supply_some}},
    {BYTES("/silent"), 4, {.needed = say_nothing}},
    {BYTES("/liar"), 4, {.needed = lie}},
    {BYTES("/deadly"), 4, {.needed = die}},
};

static const struct file *find(bytes_t path) {
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (bytes_equal(files[i].path, path)) {
            return &files[i];
        }
    }
    return nullptr;
}

// The remembered one is opened once: further folios would not know of each other's writes.
static status_t keep_remembered(folio_t folio) {
    if (remembered_folio.handle != HANDLE_INVALID || configured_size() > sizeof(remembered) / sizeof(*remembered) * PAGE_SIZE) {
        return ERR_LIMIT;
    }
    return handle_duplicate(folio.handle, RIGHT_READ, &remembered_folio.handle);
}

static status_t file_open(struct client *client, const struct file_open *request, struct file_open_reply *reply) {
    (void) client;
    const struct file *file = find(request->path);
    if (file == nullptr) {
        return ERR_NOT_FOUND;
    }
    reply->size = file->pages != 0 ? file->pages * PAGE_SIZE : configured_size();
    TRY(pager_start(reply->size, PATIENCE, &file->source, nullptr, &reply->folio));
    return file->source.dirty != nullptr ? keep_remembered(reply->folio) : OK;
}

static status_t start(void) {
    uint64_t address;
    TRY(folio_create(PAGES_AT_ONCE * PAGE_SIZE, 0, &staging));
    TRY(vmspace_map(staging, 0, PAGES_AT_ONCE * PAGE_SIZE, MAP_READ | MAP_WRITE, &address));
    staged = (uint64_t *) (uintptr_t) address;
    return OK;
}

COMPONENT(paged_files, .start = start, .clients = 8, .watches = FILES_MAX);
