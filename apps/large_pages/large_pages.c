// large_pages: tells how many faults 2 MiB take where memory is in one piece and where it is in pieces, again in each life.
#include <starina/component.h>

enum : uint64_t { LARGE = 2 << 20, PIECES_MAX = 48 };
enum : uint32_t { WRITABLE = MAP_READ | MAP_WRITE };

static uint8_t own[3 * LARGE]; // the program's, whose segments are mapped at no such addresses
static folio_t pieces[PIECES_MAX];
static size_t piece_count;

// Takes contiguous memory as long as there is some: the allocator's blocks are powers of two, of which the rest stays free.
static void take_pieces(uint64_t size) {
    while (piece_count < PIECES_MAX && folio_create(size, FOLIO_CONTIGUOUS, &pieces[piece_count]) == OK) {
        piece_count++;
    }
}

// Afterwards there is much memory, and no 2 MiB of it in one piece.
static void cut_memory(void) {
    take_pieces(LARGE + PAGE_SIZE);
    take_pieces(LARGE / 2 + PAGE_SIZE);
}

static void join_memory(void) {
    while (piece_count > 0) {
        (void) handle_close(pieces[--piece_count].handle);
    }
}

static uint64_t faults(void) {
    struct process_info info = {};
    (void) process_info((process_t) {HANDLE_INVALID}, &info);
    return info.page_faults;
}

// Each page is zero at its first touch, and keeps what is written.
static status_t check(uint64_t address, uint64_t size) {
    for (uint64_t at = 0; at < size; at += sizeof(uint64_t)) {
        if (*(volatile uint64_t *) (uintptr_t) (address + at) != 0) {
            return ERR_STATE;
        }
        *(volatile uint64_t *) (uintptr_t) (address + at) = address + at;
    }
    for (uint64_t at = 0; at < size; at += sizeof(uint64_t)) {
        if (*(volatile uint64_t *) (uintptr_t) (address + at) != address + at) {
            return ERR_STATE;
        }
    }
    return OK;
}

// It stays mapped until the component ends.
static status_t use(uint64_t *out_faults) {
    folio_t folio, clone;
    uint64_t address, copy, before = faults();
    TRY(folio_create(2 * LARGE, 0, &folio));
    TRY(vmspace_map(folio, 0, 2 * LARGE, WRITABLE, &address)); // the second half is never touched
    TRY(check(address, LARGE));
    *out_faults = faults() - before;
    TRY(folio_clone(folio, 0, LARGE / 2, 0, &clone));
    TRY(vmspace_map(clone, 0, LARGE / 2, WRITABLE, &copy));
    *(volatile uint64_t *) (uintptr_t) copy = 1;
    return *(volatile uint64_t *) (uintptr_t) address == address ? OK : ERR_STATE;
}

static status_t start(void) {
    struct system_info info;
    uint64_t unaligned, whole, pieced, before = faults();
    TRY(system_info(&info));
    TRY(check((uint64_t) own, sizeof(own)));
    unaligned = faults() - before;
    TRY(use(&whole));
    cut_memory();
    TRY(use(&pieced));
    join_memory();
    log_info("%llu KiB free, faults: %llu, in pieces %llu, of the program %llu", (unsigned long long) (info.memory_free >> 10),
             (unsigned long long) whole, (unsigned long long) pieced, (unsigned long long) unaligned);
    *(volatile uint64_t *) (uintptr_t) sizeof(uint64_t) = 0;
    return OK;
}

COMPONENT(large_pages, .start = start);
