// A process's table of handles: index and generation name an object together with rights.
#pragma once

#include "object.h"

enum { HANDLE_LIMIT_MAX = 4096 };

struct handle_entry {
    struct object *object; // nullptr: free
    handle_t handle;       // the entry's index, and above it its generation, which is never 0. Free: the next to be given
    uint16_t rights;       // of a free one: none
    uint16_t next_free;    // index of the next free entry; 0 ends the list
};

// What a handle was found to be, for one use of it, until that handle is removed. None: handle 0 and handle_nothing.
struct handle_hint {
    uint64_t handle;
    struct object *object;
};

struct handle_table {
    struct handle_entry *entries;                // [0] is never used
    struct handle_hint called, answered, waited; // by system calls' fast paths
    struct account *account;
    uint32_t limit;       // entries that can be used
    uint32_t last_offset; // of the last one, in bytes
    uint32_t used;
    uint16_t first_free, last_free; // first in, first out: a stale handle stays wrong for long
};

// An object with the rights of one handle to it: what moves in messages.
struct grant {
    struct object *object;
    uint16_t rights;
};

status_t handle_table_init(struct handle_table *table, uint32_t limit, struct account *account);
void handle_table_destroy(struct handle_table *table); // closes every handle

// Adds a handle that takes over the caller's reference. ERR_NO_HANDLES: the caller keeps it.
status_t handle_add(struct handle_table *table, struct grant grant, handle_t *out_handle);

// Finds an entry. ERR_BAD_HANDLE
status_t handle_find(struct handle_table *table, handle_t handle, struct handle_entry **out_entry);

// Finds an object of a type, with rights. The object is borrowed: it lives as long as the handle.
// ERR_BAD_HANDLE, ERR_WRONG_TYPE, ERR_DENIED
status_t handle_get(struct handle_table *table, handle_t handle, enum object_type type, uint32_t rights,
                    struct object **out_object);

// Takes the object out of the table: the caller gets the table's reference.
struct grant handle_remove(struct handle_table *table, struct handle_entry *entry);

// The same, without saying what is wrong: nullptr. `rights` are some; stray upper bits of the handle are an error.
static inline struct object *handle_peek(const struct handle_table *table, uint64_t handle, enum object_type type,
                                         uint32_t rights) {
    uint32_t offset = (handle & 0xffff) * sizeof(struct handle_entry);
    if (offset > table->last_offset) {
        return nullptr;
    }
    const struct handle_entry *entry = (const struct handle_entry *) ((const uint8_t *) table->entries + offset);
    bool is_right = entry->handle == handle && (entry->rights & rights) == rights && entry->object->type == type;
    return is_right ? entry->object : nullptr;
}

// What either hint has for it; nullptr: nothing
static inline struct object *handle_hinted(const struct handle_hint *first, const struct handle_hint *second, handle_t handle) {
    if (handle == HANDLE_INVALID) {
        return nullptr;
    }
    const struct handle_hint *hint = first->handle == handle ? first : second;
    return hint->handle == handle ? hint->object : nullptr;
}

// The same, of the same use as last time. What is wrong finds handle_nothing, which is all zero as far as system calls look: a
// channel without a peer, a poll on which nobody waits.
enum { HANDLE_NOTHING_SIZE = 256 };
extern uint64_t handle_nothing[HANDLE_NOTHING_SIZE / sizeof(uint64_t)];
static inline struct object *handle_peek_again(struct handle_table *table, struct handle_hint *hint, uint64_t handle,
                                               enum object_type type, uint32_t rights) {
    if (__builtin_expect(hint->handle != handle, 0)) {
        struct object *object = handle_peek(table, handle, type, rights);
        if (object == nullptr) {
            return (struct object *) handle_nothing;
        }
        *hint = (struct handle_hint) {handle, object};
    }
    return hint->object;
}
