// file_hash: tells the SHA-256 of a file, which it maps and reads from end to end.
//
// The pages come while it reads. One that does not come ends it, unless it asks for it first.
#include <mbedtls/sha256.h>

#include <file.client.h>
#include <needs.h>

enum : nsec_t { OPEN_TIMEOUT = 5 * NSEC_PER_SEC, PAGE_TIMEOUT = 20 * NSEC_PER_SEC };
enum : uint64_t { PART = 256 << 10 };

static bytes_t path;

static uint64_t in_pages(uint64_t size) {
    return (size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

// Waits for the pages of a part of the file.
static status_t ask_for(folio_t folio, uint64_t offset, uint64_t size) {
    uint64_t present = 0;
    for (uint64_t done = 0; done < in_pages(size); done += present) {
        TRY(folio_prefetch(folio, offset + done, in_pages(size) - done, clock_ns() + PAGE_TIMEOUT, &present));
    }
    return OK;
}

static status_t hash(folio_t folio, const uint8_t *content, uint64_t size, uint8_t digest[static 32]) {
    mbedtls_sha256_context sha256;
    mbedtls_sha256_init(&sha256);
    bool is_fine = mbedtls_sha256_starts(&sha256, 0) == 0;
    for (uint64_t done = 0; is_fine && done < size; done += PART) {
        uint64_t part = size - done < PART ? size - done : PART;
        if (config_u64("ask", 0) == 1) {
            TRY(ask_for(folio, done, part));
        }
        is_fine = mbedtls_sha256_update(&sha256, content + done, part) == 0;
    }
    return is_fine && mbedtls_sha256_finish(&sha256, digest) == 0 ? OK : ERR_STATE;
}

static void tell(uint64_t size, const uint8_t digest[static 32]) {
    char text[65] = {};
    for (size_t i = 0; i < 32; i++) {
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    }
    log_info("%.*s: %llu bytes, sha256 %s", (int) path.len, (const char *) path.ptr, (unsigned long long) size, text);
}

static status_t read_file(void) {
    struct file_open_reply file;
    uint64_t address;
    TRY(file_open_call(need_file(), &(struct file_open) {.path = path}, &file, OPEN_TIMEOUT));
    folio_t folio = folio_take(&file.folio);
    TRY(vmspace_map(folio, 0, file.size, MAP_READ | MAP_MAY_FAULT, &address));
    for (uint64_t i = 0; i < config_u64("times", 1); i++) {
        uint8_t digest[32];
        TRY(hash(folio, (const uint8_t *) (uintptr_t) address, file.size, digest));
        tell(file.size, digest);
    }
    return OK;
}

static struct timer timer;

// Not in start(): the supervisor hears first that it is ready, however long the reading takes.
static void run(void *context) {
    (void) context;
    status_t status = read_file();
    if (status != OK) {
        log_error("%.*s: %s", (int) path.len, (const char *) path.ptr, status_name(status));
    }
    component_exit(status == OK ? 0 : 1);
}

static status_t start(void) {
    path = config_bytes("path", BYTES("/system"));
    timer_start(&timer, 0, run, nullptr);
    return OK;
}

COMPONENT(file_hash, .start = start);
