// A process's table of handles.
#include "handle.h"

#include "channel.h"
#include "heap.h"
#include "poll.h"

enum : handle_t { GENERATION = 1 << 16 };

// As a channel it calls itself, as a poll nobody waits on it.
enum { CALLED_AT = offsetof(struct channel, called), WAITERS_AT = offsetof(struct poll, waiters) };
static_assert(CALLED_AT != WAITERS_AT && CALLED_AT < HANDLE_NOTHING_SIZE && WAITERS_AT < HANDLE_NOTHING_SIZE);
uint64_t handle_nothing[HANDLE_NOTHING_SIZE / sizeof(uint64_t)] = {[CALLED_AT / sizeof(uint64_t)] = (uintptr_t) handle_nothing};

static void forget(struct handle_hint *hint) {
    *hint = (struct handle_hint) {.object = (struct object *) handle_nothing};
}

static void forget_if(struct handle_hint *hint, handle_t handle) {
    if (hint->handle == handle) {
        forget(hint);
    }
}

static size_t table_bytes(uint32_t limit) {
    return (limit + 1) * sizeof(struct handle_entry);
}

status_t handle_table_init(struct handle_table *table, uint32_t limit, struct account *account) {
    if (limit == 0 || limit > HANDLE_LIMIT_MAX) {
        return ERR_INVALID_ARGUMENT;
    }
    table->entries = heap_allocate(table_bytes(limit), account);
    if (table->entries == nullptr) {
        return ERR_NO_MEMORY;
    }
    forget(&table->called);
    forget(&table->answered);
    forget(&table->waited);
    table->account = account;
    table->limit = limit;
    table->last_offset = limit * sizeof(struct handle_entry);
    table->used = 0;
    table->first_free = 1;
    table->last_free = (uint16_t) limit;
    for (uint32_t i = 1; i <= limit; i++) {
        table->entries[i].handle = GENERATION | i;
        table->entries[i].next_free = (uint16_t) (i < limit ? i + 1 : 0);
    }
    return OK;
}

void handle_table_destroy(struct handle_table *table) {
    if (table->entries == nullptr) {
        return;
    }
    for (uint32_t i = 1; i <= table->limit; i++) {
        if (table->entries[i].object != nullptr) {
            object_release(handle_remove(table, &table->entries[i]).object);
        }
    }
    heap_free(table->entries, table_bytes(table->limit), table->account);
    table->entries = nullptr;
    table->limit = table->last_offset = 0;
}

status_t handle_add(struct handle_table *table, struct grant grant, handle_t *out_handle) {
    uint16_t index = table->first_free;
    if (index == 0) {
        return ERR_NO_HANDLES;
    }
    struct handle_entry *entry = &table->entries[index];
    table->first_free = entry->next_free;
    if (table->first_free == 0) {
        table->last_free = 0;
    }
    entry->object = grant.object;
    entry->rights = grant.rights;
    table->used++;
    *out_handle = entry->handle;
    return OK;
}

status_t handle_find(struct handle_table *table, handle_t handle, struct handle_entry **out_entry) {
    uint32_t index = handle & 0xffff;
    if (index == 0 || index > table->limit) {
        return ERR_BAD_HANDLE;
    }
    struct handle_entry *entry = &table->entries[index];
    if (entry->object == nullptr || entry->handle != handle) {
        return ERR_BAD_HANDLE;
    }
    *out_entry = entry;
    return OK;
}

status_t handle_get(struct handle_table *table, handle_t handle, enum object_type type, uint32_t rights,
                    struct object **out_object) {
    struct handle_entry *entry;
    TRY(handle_find(table, handle, &entry));
    if (entry->object->type != type) {
        return ERR_WRONG_TYPE;
    }
    if ((entry->rights & rights) != rights) {
        return ERR_DENIED;
    }
    *out_object = entry->object;
    return OK;
}

struct grant handle_remove(struct handle_table *table, struct handle_entry *entry) {
    struct grant grant = {.object = entry->object, .rights = entry->rights};
    if (grant.object->type == OBJECT_CHANNEL) {
        forget_if(&table->called, entry->handle);
        forget_if(&table->answered, entry->handle);
    } else if (grant.object->type == OBJECT_POLL) {
        forget_if(&table->waited, entry->handle);
    }
    uint16_t index = (uint16_t) (entry - table->entries);
    entry->object = nullptr;
    entry->rights = 0;
    entry->handle += GENERATION;
    if (entry->handle < GENERATION) {
        entry->handle += GENERATION; // generation 0 is left out
    }
    entry->next_free = 0;
    if (table->last_free == 0) {
        table->first_free = index;
    } else {
        table->entries[table->last_free].next_free = index;
    }
    table->last_free = index;
    table->used--;
    return grant;
}
