// Replies: one per request, now or later, and none lost when the peer's queue is full.
//
// A reply that finds no room is kept in memory that its connection, or its deferral, has had from the start; until all
// of them have gone, the connection's next request stays in the queue.
#include "internal.h"

// The request that is being handled.
static struct {
    struct connection *connection; // nullptr: none
    uint32_t generation;
    uint32_t kind;
    uint32_t transaction;
    struct reply_token deferral; // made by its handler
} request;

static struct reply_slot *slot_at(size_t index) {
    size_t stride = sizeof(struct reply_slot) + pools.reply_max;
    return (struct reply_slot *) (pools.replies + index * stride);
}

static bool is_deferral(size_t index) {
    return index >= pools.deferred_slots.first;
}

// A later use of its token is harmless.
static void slot_free(size_t index) {
    struct reply_slot *slot = slot_at(index);
    slot->is_deferred = false;
    if (is_deferral(index)) {
        slot->generation++;
        slots_return(&pools.deferred_slots, index);
    }
}

void message_close_handles(struct message_header *header) {
    for (size_t i = 0; i < header->handle_count && i < MESSAGE_HANDLES_MAX; i++) {
        if (header->handles[i] != HANDLE_INVALID) {
            (void) handle_close(header->handles[i]);
        }
    }
    header->handle_count = 0;
}

// --- Sending ---

static void store(struct connection *connection, size_t index) {
    struct message *out = message_out();
    struct reply_slot *slot = slot_at(index);
    slot->header = out->header;
    __builtin_memcpy(slot->data, out->data, out->header.length);
    slot->next = SLOT_NONE;
    if (connection->first_stored == SLOT_NONE) {
        connection->first_stored = (uint16_t) index;
    } else {
        slot_at(connection->last_stored)->next = (uint16_t) index;
    }
    connection->last_stored = (uint16_t) index;
    connection_update(connection);
}

static void complete_header(uint32_t transaction, status_t status) {
    struct message_header *header = &message_out()->header;
    header->transaction = transaction;
    header->status = status;
    if (status != OK) {
        message_close_handles(header);
        header->length = 0;
    }
}

// What became of the reply in `out`: it has gone, is stored in the slot, or dropped. A slot that it did not need is free.
static void sent_or_stored(struct connection *connection, status_t sent, size_t slot) {
    if (sent == ERR_FULL) {
        store(connection, slot);
        return;
    }
    if (sent != OK) {
        message_close_handles(&message_out()->header);
    }
    slot_free(slot);
}

static void transmit(struct connection *connection, size_t slot) {
    sent_or_stored(connection, connection->first_stored != SLOT_NONE ? ERR_FULL : channel_send(connection->channel), slot);
}

// --- Sending and waiting in one ---

static bool may_stage;            // the main loop waits with replies_wait()
static struct connection *staged; // its reply is in `out`; still says so when it was taken from there in an upcall

static bool answer_in_upcall(uint64_t key) {
    staged = nullptr;
    dispatch(&(struct event) {.key = key, .kind = EVENT_MESSAGE});
    return staged != nullptr;
}

status_t replies_begin(void) {
    may_stage = true;
    return poll_set_upcall(main_poll, (uint64_t) answer_in_upcall);
}

static status_t reply_and_wait(void) {
    struct connection *connection = staged;
    if (connection == nullptr) {
        return poll_wait(main_poll, DEADLINE_NEVER);
    }
    status_t sent = channel_reply_wait(connection->channel, main_poll, DEADLINE_NEVER);
    if (sent == OK) {
        return OK; // its slot is the connection's own, which needs no freeing
    }
    sent_or_stored(connection, sent, connection_index(connection));
    return poll_wait(main_poll, DEADLINE_NEVER);
}

status_t replies_wait(void) {
    status_t status;
    do {
        status = reply_and_wait();
    } while (status == OK && thread_buffer->event.kind == EVENT_UPCALL); // what it staged is sent now
    staged = nullptr;
    return status;
}

void replies_flush(struct connection *connection) {
    while (connection->first_stored != SLOT_NONE) {
        size_t index = connection->first_stored;
        struct reply_slot *slot = slot_at(index);
        struct message *out = message_out();
        out->header = slot->header;
        __builtin_memcpy(out->data, slot->data, slot->header.length);
        status_t sent = channel_send(connection->channel);
        if (sent == ERR_FULL) {
            return;
        }
        if (sent != OK) {
            message_close_handles(&slot->header);
        }
        connection->first_stored = slot->next;
        slot_free(index);
    }
    connection_update(connection);
}

void replies_drop(struct connection *connection) {
    while (connection->first_stored != SLOT_NONE) {
        size_t index = connection->first_stored;
        connection->first_stored = slot_at(index)->next;
        message_close_handles(&slot_at(index)->header);
        slot_free(index);
    }
    size_t first = pools.deferred_slots.first;
    for (size_t i = first; i < first + pools.deferred_slots.fresh; i++) {
        struct reply_slot *slot = slot_at(i);
        if (slot->is_deferred && slot->connection == connection_index(connection)) {
            slot_free(i);
        }
    }
}

status_t message_send(channel_t channel) {
    const struct connection *connection = connection_find(channel);
    if (connection != nullptr && connection->first_stored != SLOT_NONE) {
        return ERR_FULL; // in order: after the replies that wait
    }
    return channel_send(channel);
}

// --- Requests ---

void request_begin(struct connection *connection, const struct message_header *header) {
    request.connection = connection;
    request.generation = connection->generation;
    request.kind = header->kind;
    request.transaction = header->transaction;
    request.deferral = (struct reply_token) {};
}

void request_end(void) {
    request.connection = nullptr;
}

// The deferral of a token, while it is not answered and its connection lasts.
static struct reply_slot *deferral_find(struct reply_token token) {
    if (token.generation == 0) {
        return nullptr;
    }
    struct reply_slot *slot = slot_at(token.slot);
    return slot->is_deferred && slot->generation == token.generation ? slot : nullptr;
}

status_t reply_send(status_t status) {
    component_counters.malformed += status == ERR_MALFORMED;
    if (deferral_find(request.deferral) != nullptr) {
        slot_free(request.deferral.slot); // it deferred and then answered all the same
    }
    struct connection *connection = request.connection;
    if (connection->generation != request.generation) {
        message_close_handles(&message_out()->header); // the handler ended the connection
        return OK;
    }
    complete_header(request.transaction, status);
    if (may_stage && connection->first_stored == SLOT_NONE) {
        staged = connection; // nothing is sent any more before the main loop waits
    } else {
        transmit(connection, connection_index(connection));
    }
    return OK;
}

status_t reply_pending(void) {
    if (request.deferral.generation != 0) {
        return OK;
    }
    // It deferred nothing, or there was no room to: the caller still gets an answer.
    wire_write(message_out(), request.kind | MESSAGE_REPLY);
    return reply_send(ERR_LIMIT);
}

struct reply_token reply_defer(const void *client) {
    struct connection *connection = request.connection;
    if (connection == nullptr || connection->generation != request.generation || connection->context != client) {
        return (struct reply_token) {};
    }
    size_t index = slots_take(&pools.deferred_slots);
    if (index == SLOT_NONE) {
        return (struct reply_token) {};
    }
    struct reply_slot *slot = slot_at(index);
    slot->generation += slot->generation == UINT32_MAX ? 2 : 1;
    slot->is_deferred = true;
    slot->connection = (uint16_t) connection_index(connection);
    slot->connection_generation = connection->generation;
    slot->transaction = request.transaction;
    request.deferral = (struct reply_token) {(uint32_t) index, slot->generation};
    return request.deferral;
}

void reply_complete(struct reply_token token, status_t status) {
    struct reply_slot *slot = deferral_find(token);
    struct connection *connection = slot != nullptr ? connection_at(slot->connection, slot->connection_generation) : nullptr;
    if (connection == nullptr) {
        message_close_handles(&message_out()->header);
        return;
    }
    slot->is_deferred = false;
    complete_header(slot->transaction, status);
    transmit(connection, token.slot);
}
