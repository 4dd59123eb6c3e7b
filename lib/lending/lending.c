// Ranges of folios that clients have lent. A range costs address space and page tables of ours, so their number and size are
// bounded: for each client, so that none takes what the others need, and for all.
//
// Clients are not trusted: a range is found by its lender only.
#include <lending/lending.h>

enum { LENT_PER_CLIENT = 8 };
enum : uint64_t { BYTES_PER_CLIENT = 64 << 20, BYTES_MAX = 256 << 20 };

static struct lent lents[LENT_MAX];
static size_t touched; // those from here on were never used

unsigned lendings_ending;
void (*lendings_on_end)(struct lent *lent);

static status_t find_place(const struct client *lender, uint64_t size, struct lent **out_lent) {
    unsigned count = 0;
    uint64_t own = size, all = size;
    *out_lent = nullptr;
    for (size_t i = 0; i < LENT_MAX; i++) {
        struct lent *lent = &lents[i];
        if (lent->bytes == nullptr) {
            *out_lent = *out_lent == nullptr ? lent : *out_lent;
            continue;
        }
        all += lent->size;
        if (lent->lender == lender) {
            count++;
            own += lent->size;
        }
    }
    bool has_place = *out_lent != nullptr && count < LENT_PER_CLIENT && own <= BYTES_PER_CLIENT && all <= BYTES_MAX;
    return has_place ? OK : ERR_LIMIT;
}

static status_t map(const struct client *lender, folio_t folio, uint64_t offset, uint64_t size, struct lent **out_lent) {
    struct lent *lent;
    uint64_t folio_size, address;
    TRY(folio_info(folio, &folio_size));
    if (size == 0 || offset % PAGE_SIZE != 0 || offset > folio_size || size > folio_size - offset) {
        return ERR_INVALID_ARGUMENT;
    }
    if (size > BYTES_PER_CLIENT) {
        return ERR_LIMIT;
    }
    TRY(find_place(lender, size, &lent));
    TRY(vmspace_map(folio, offset, size, MAP_READ, &address));
    *lent = (struct lent) {
        .bytes = (const uint8_t *) (uintptr_t) address,
        .size = (uint32_t) size,
        .folio = folio,
        .offset = offset,
        .lender = lender,
        .references = 1,
    };
    size_t count = (size_t) (lent - lents) + 1;
    touched = count > touched ? count : touched;
    *out_lent = lent;
    return OK;
}

status_t lending_begin(const struct client *lender, folio_t folio, uint64_t offset, uint64_t size, uint32_t *out_name) {
    struct lent *lent = nullptr;
    status_t status = map(lender, folio, offset, size, &lent);
    if (status != OK) {
        (void) handle_close(folio.handle);
        return status;
    }
    *out_name = (uint32_t) (lent - lents) + 1;
    return OK;
}

struct lent *lending_find(const struct client *lender, uint32_t name) {
    struct lent *lent = name >= 1 && name <= LENT_MAX ? &lents[name - 1] : nullptr;
    bool is_own = lent != nullptr && lent->bytes != nullptr && lender != nullptr && lent->lender == lender;
    return is_own ? lent : nullptr;
}

static bool is_within(const struct lent *lent, const void *address) {
    return (uintptr_t) address - (uintptr_t) lent->bytes < lent->size; // of one that is not in use the size is 0
}

struct lent *lending_at(const void *address) {
    static size_t last; // most bytes are of the same range as those before
    if (is_within(&lents[last], address)) {
        return &lents[last];
    }
    for (size_t i = 0; i < touched; i++) {
        if (is_within(&lents[i], address)) {
            last = i;
            return &lents[i];
        }
    }
    return nullptr;
}

void lendings_each(void (*visit)(struct lent *lent)) {
    for (size_t i = 0; i < touched; i++) {
        if (lents[i].bytes != nullptr) {
            visit(&lents[i]);
        }
    }
}

void lending_release(struct lent *lent) {
    if (--lent->references == 0) {
        lendings_ending--;
        if (lendings_on_end != nullptr) {
            lendings_on_end(lent);
        }
        (void) handle_close(lent->folio.handle);                  // it is ours
        (void) vmspace_unmap((uint64_t) (uintptr_t) lent->bytes); // it was mapped there
        *lent = (struct lent) {};
    }
}

static void take_back(struct lent *lent) {
    lent->lender = nullptr;
    lendings_ending++;
    lending_release(lent);
}

status_t lending_end(const struct client *lender, uint32_t name) {
    struct lent *lent = lending_find(lender, name);
    if (lent == nullptr) {
        return ERR_NOT_FOUND;
    }
    take_back(lent);
    return OK;
}

void lendings_disown(const struct client *lender) {
    for (size_t i = 0; i < LENT_MAX; i++) {
        if (lents[i].bytes != nullptr && lents[i].lender == lender) {
            take_back(&lents[i]);
        }
    }
}

// --- Sets ---

void lent_set_add(lent_set_t *set, struct lent *lent) {
    lent_set_t bit = (lent_set_t) 1 << (lent - lents);
    if ((*set & bit) == 0) {
        *set |= bit;
        lending_retain(lent);
    }
}

void lent_set_clear(lent_set_t *set) {
    while (*set != 0) {
        lending_release(&lents[__builtin_ctzll(*set)]);
        *set &= *set - 1;
    }
}
