// Connections: the channels that the main loop watches, found by event key, channel or state.
#include "internal.h"

// --- Chains: connections by channel, and attached ones by their state ---

static uint16_t *channel_bucket(channel_t channel) {
    return &pools.by_channel[channel.handle & pools.bucket_mask];
}

static uint16_t *context_bucket(const void *context) {
    uintptr_t bits = (uintptr_t) context;
    return &pools.by_context[(bits >> 4 ^ bits >> 12) & pools.bucket_mask];
}

static void chains_insert(struct connection *connection) {
    uint16_t index = (uint16_t) connection_index(connection);
    uint16_t *bucket = channel_bucket(connection->channel);
    connection->next_by_channel = *bucket;
    *bucket = index;
    bucket = context_bucket(connection->context);
    connection->next_by_context = *bucket;
    *bucket = index;
}

static void chains_remove(struct connection *connection) {
    size_t index = connection_index(connection);
    uint16_t *link = channel_bucket(connection->channel);
    while (*link != index) {
        link = &pools.connections[*link].next_by_channel;
    }
    *link = connection->next_by_channel;
    link = context_bucket(connection->context);
    while (*link != index) {
        link = &pools.connections[*link].next_by_context;
    }
    *link = connection->next_by_context;
}

size_t connection_index(const struct connection *connection) {
    return (size_t) (connection - pools.connections);
}

struct connection *connection_at(size_t index, uint32_t generation) {
    struct connection *connection = &pools.connections[index];
    return connection->generation == generation ? connection : nullptr;
}

struct connection *connection_find(channel_t channel) {
    for (uint16_t i = *channel_bucket(channel); i != SLOT_NONE; i = pools.connections[i].next_by_channel) {
        if (pools.connections[i].channel.handle == channel.handle) {
            return &pools.connections[i];
        }
    }
    return nullptr;
}

channel_t client_channel(const void *client) {
    for (uint16_t i = *context_bucket(client); i != SLOT_NONE; i = pools.connections[i].next_by_context) {
        if (pools.connections[i].context == client) {
            return pools.connections[i].channel;
        }
    }
    return (channel_t) {HANDLE_INVALID};
}

// --- Watching ---

static uint64_t connection_key(const struct connection *connection) {
    return source_key(SOURCE_CONNECTION, connection->generation, connection_index(connection));
}

// While it is paused or a reply waits for room, no message is taken; the news of room is.
void connection_update(struct connection *connection) {
    bool wants_pause = connection->is_paused || connection->first_stored != SLOT_NONE;
    if (wants_pause != connection->has_paused_poll) {
        connection->has_paused_poll = wants_pause;
        (void) poll_pause(main_poll, connection->channel, wants_pause);
    }
}

// It may have been paused before.
status_t connection_watch(struct connection *connection) {
    TRY(poll_add(main_poll, connection->channel.handle, connection_key(connection)));
    connection->has_paused_poll = false;
    connection_update(connection);
    return OK;
}

status_t channel_pause(channel_t channel, bool paused) {
    struct connection *connection = connection_find(channel);
    if (connection == nullptr) {
        return ERR_NOT_FOUND;
    }
    connection->is_paused = paused;
    connection_update(connection);
    return OK;
}

// --- Beginning and end ---

struct connection *connection_create(struct slots *slots, const struct connection *as) {
    size_t index = slots_take(slots);
    if (index == SLOT_NONE) {
        return nullptr;
    }
    struct connection *connection = &pools.connections[index];
    uint32_t generation = connection->generation + 1;
    *connection = *as;
    connection->generation = generation;
    connection->is_used = true;
    connection->first_stored = connection->last_stored = SLOT_NONE;
    connection->slots = slots;
    if (slots == &pools.client_slots) {
        connection->context = pools.clients + index * component.client_size;
        mem_zero(connection->context, component.client_size);
    }
    chains_insert(connection);
    return connection;
}

void connection_forget(struct connection *connection) {
    chains_remove(connection);
    connection->is_used = false;
    connection->generation++; // its events are stale from now on
    slots_return(connection->slots, connection_index(connection));
}

status_t connection_attach(channel_t channel, const struct protocol *protocol, void *context, hook_t on_closed,
                           hook_t on_writable) {
    if (protocol->reply_max > pools.reply_max) {
        return ERR_TOO_LARGE;
    }
    if (connection_find(channel) != nullptr) {
        return ERR_BUSY;
    }
    struct connection as = {.channel = channel, .protocol = protocol, .context = context};
    as.on_closed = on_closed;
    as.on_writable = on_writable;
    struct connection *connection = connection_create(&pools.channel_slots, &as);
    if (connection == nullptr) {
        return ERR_LIMIT;
    }
    status_t status = connection_watch(connection);
    if (status != OK) {
        connection_forget(connection);
    }
    return status;
}

void connection_release(struct connection *connection, status_t why) {
    if (connection->is_ending) {
        return; // a hook that it called ends it again
    }
    connection->is_ending = true;
    channel_t channel = connection->channel;
    replies_drop(connection);
    calls_fail(connection, why);
    client_disconnected(connection);
    connection_forget(connection);
    service_forget(channel);
    (void) handle_close(channel.handle);
}

void connection_end(struct connection *connection) {
    uint32_t generation = connection->generation;
    size_t index = connection_index(connection);
    calls_fail(connection, ERR_CLOSED);
    if (connection_at(index, generation) != nullptr && connection->on_closed != nullptr) {
        connection->protocol->run_hook(connection->on_closed, connection->context);
    }
    if (connection_at(index, generation) != nullptr) {
        connection_release(connection, ERR_CLOSED);
    }
}

status_t channel_detach(channel_t channel) {
    struct connection *connection = connection_find(channel);
    if (connection == nullptr) {
        return ERR_NOT_FOUND;
    }
    connection_release(connection, ERR_CANCELLED);
    return OK;
}
