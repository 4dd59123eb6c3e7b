// The component's fixed memory: every table has the size that COMPONENT declared, and nothing is allocated later.
#include "internal.h"

enum { CLIENTS_DEFAULT = 8, CHANNELS_DEFAULT = 16, CALLS_DEFAULT = 16, DEFERRED_DEFAULT = 8, WATCHES_DEFAULT = 8 };
enum { SLOTS_MAX = 0x7fff };

struct pools pools;

size_t slots_take(struct slots *slots) {
    if (slots->free != SLOT_NONE) {
        size_t slot = slots->free;
        slots->free = slots->links[slot];
        return slot;
    }
    return slots->fresh < slots->count ? (size_t) slots->first + slots->fresh++ : SLOT_NONE;
}

void slots_return(struct slots *slots, size_t slot) {
    slots->links[slot] = slots->free;
    slots->free = (uint16_t) slot;
}

static uint32_t or_default(uint32_t declared, uint32_t otherwise) {
    return declared != 0 ? declared : otherwise;
}

static uint32_t bucket_count(uint32_t connections) {
    return 1u << (32 - __builtin_clz(connections));
}

// Places an array behind those before it; only counts while there is no memory yet.
static void *place(uint8_t *memory, size_t *offset, size_t count, size_t size) {
    void *array = memory != nullptr ? memory + *offset : nullptr;
    *offset += (count * size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    return array;
}

static size_t place_all(uint8_t *memory, uint32_t clients, uint32_t channels, uint32_t deferred, uint32_t calls) {
    size_t offset = 0, buckets = bucket_count(clients + channels), connections = clients + channels;
    pools.connections = place(memory, &offset, connections, sizeof(struct connection));
    pools.clients = place(memory, &offset, clients, component.client_size);
    pools.replies = place(memory, &offset, connections + deferred, sizeof(struct reply_slot) + pools.reply_max);
    pools.calls = place(memory, &offset, calls, sizeof(struct pending_call));
    pools.watches = place(memory, &offset, pools.watch_count, sizeof(struct watch));
    pools.by_channel = place(memory, &offset, buckets, sizeof(uint16_t));
    pools.by_context = place(memory, &offset, buckets, sizeof(uint16_t));
    uint16_t *links = place(memory, &offset, connections, sizeof(uint16_t));
    uint16_t *deferred_links = place(memory, &offset, connections + deferred, sizeof(uint16_t));
    uint16_t *call_links = place(memory, &offset, calls, sizeof(uint16_t));
    pools.client_slots = (struct slots) {0, (uint16_t) clients, 0, SLOT_NONE, links};
    pools.channel_slots = (struct slots) {(uint16_t) clients, (uint16_t) channels, 0, SLOT_NONE, links};
    pools.deferred_slots = (struct slots) {(uint16_t) connections, (uint16_t) deferred, 0, SLOT_NONE, deferred_links};
    pools.call_slots = (struct slots) {0, (uint16_t) calls, 0, SLOT_NONE, call_links};
    return offset;
}

status_t pools_create(void) {
    uint32_t clients = component.provides != nullptr ? or_default(component.clients, CLIENTS_DEFAULT) : 0;
    uint32_t channels = or_default(component.channels, CHANNELS_DEFAULT) + 1; // the supervisor's
    uint32_t deferred = or_default(component.deferred, DEFERRED_DEFAULT);
    uint32_t calls = or_default(component.calls, CALLS_DEFAULT);
    if (clients > SLOTS_MAX || channels > SLOTS_MAX || calls > SLOTS_MAX || clients + channels + deferred > SLOTS_MAX) {
        return ERR_INVALID_ARGUMENT;
    }
    pools.watch_count = or_default(component.watches, WATCHES_DEFAULT);
    pools.bucket_mask = bucket_count(clients + channels) - 1;
    uint32_t provided = component.provides != nullptr ? component.provides->reply_max : 0;
    uint32_t reply_max = component.reply_max > provided ? component.reply_max : provided;
    pools.reply_max = (reply_max + 7) & ~7u;
    size_t size = place_all(nullptr, clients, channels, deferred, calls);
    folio_t folio;
    uint64_t address;
    TRY(folio_create(size, 0, &folio));
    TRY(vmspace_map(folio, 0, size, MAP_READ | MAP_WRITE, &address));
    TRY(handle_close(folio.handle));
    place_all((uint8_t *) (uintptr_t) address, clients, channels, deferred, calls);
    __builtin_memset(pools.by_channel, 0xff, (pools.bucket_mask + 1) * sizeof(uint16_t));
    __builtin_memset(pools.by_context, 0xff, (pools.bucket_mask + 1) * sizeof(uint16_t));
    return OK;
}
