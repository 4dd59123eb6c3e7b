// page_writer: writes to every page of /remembered, twice, and reads each time what it wrote.
#include <file.client.h>
#include <needs.h>

enum : nsec_t { OPEN_TIMEOUT = 5 * NSEC_PER_SEC };
enum : uint64_t { ROUNDS = 2 };

static volatile uint64_t *first_word(uint64_t address, uint64_t page) {
    return (volatile uint64_t *) (uintptr_t) (address + page * PAGE_SIZE);
}

static status_t write_and_read(uint64_t address, uint64_t pages, uint64_t round) {
    for (uint64_t page = 0; page < pages; page++) {
        *first_word(address, page) = round * pages + page;
    }
    for (uint64_t page = 0; page < pages; page++) {
        uint64_t found = *first_word(address, page);
        if (found != round * pages + page) {
            log_error("page %llu: %llu", (unsigned long long) page, (unsigned long long) found);
            return ERR_MALFORMED;
        }
    }
    return OK;
}

static status_t write_file(void) {
    struct file_open_reply file;
    uint64_t address;
    TRY(file_open_call(need_file(), &(struct file_open) {.path = BYTES("/remembered")}, &file, OPEN_TIMEOUT));
    TRY(vmspace_map(folio_take(&file.folio), 0, file.size, MAP_READ | MAP_WRITE | MAP_MAY_FAULT, &address));
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        TRY(write_and_read(address, file.size / PAGE_SIZE, round));
    }
    log_info("%llu pages ok", (unsigned long long) (file.size / PAGE_SIZE));
    return OK;
}

static struct timer timer;

// Not in start(): the supervisor hears first that it is ready.
static void run(void *context) {
    (void) context;
    status_t status = write_file();
    if (status != OK) {
        log_error("%s", status_name(status));
    }
    component_exit(status == OK ? 0 : 1);
}

static status_t start(void) {
    timer_start(&timer, 0, run, nullptr);
    return OK;
}

COMPONENT(page_writer, .start = start);
