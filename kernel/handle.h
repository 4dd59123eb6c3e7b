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

struct handle_table {
    struct handle_entry *entries; // [0] is never used
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
