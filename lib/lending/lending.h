// Ranges of folios that clients have lent, mapped once each: streams send from where they lie.
#pragma once

#include <starina/component.h>

enum { LENT_MAX = 64 }; // all clients' together

struct client;

struct lent {
    const uint8_t *bytes; // nullptr: not in use
    uint32_t size;
    uint8_t device; // its number with the driver of a device that reads it; 0: none does
    folio_t folio;
    uint64_t offset;             // in the folio
    const struct client *lender; // nullptr: taken back; it stays while somebody refers to it
    uint32_t references;         // the lender, writes that wait, bytes and frames under way
};

extern unsigned lendings_ending; // taken back, but still referred to

// Called when nobody refers to a range any more, before it goes; nullptr: nobody wants to know.
extern void (*lendings_on_end)(struct lent *lent);

// Owns the folio. ERR_INVALID_ARGUMENT, ERR_LIMIT, ERR_NO_MEMORY: as network.lend
status_t lending_begin(const struct client *lender, folio_t folio, uint64_t offset, uint64_t size, uint32_t *out_name);
status_t lending_end(const struct client *lender, uint32_t name); // ERR_NOT_FOUND
void lendings_disown(const struct client *lender);                // it has left

// nullptr: the lender has none of this name.
struct lent *lending_find(const struct client *lender, uint32_t name);

struct lent *lending_at(const void *address); // nullptr: it is in none
void lendings_each(void (*visit)(struct lent *lent));

static inline void lending_retain(struct lent *lent) {
    lent->references++;
}
void lending_release(struct lent *lent);

// A stream's or packet's references: a bit for each range, so that many parts of one count once.
typedef uint64_t lent_set_t;
static_assert(LENT_MAX <= 64);

void lent_set_add(lent_set_t *set, struct lent *lent);
void lent_set_clear(lent_set_t *set);
