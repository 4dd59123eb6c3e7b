// Calls that the component makes: waiting for the reply, or going on and being told.
#include "internal.h"

#include <stdckdint.h>

static void reply_close_handles(void) {
    message_close_handles(&thread_buffer->reply.header);
}

// What a reply says of the call; a peer may write anything there.
static status_t reply_status(const struct message_header *header, uint32_t kind) {
    if (header->kind != (kind | MESSAGE_REPLY) || header->status > 0) {
        return ERR_MALFORMED;
    }
    return (status_t) header->status;
}

status_t call_wait(channel_t channel, uint32_t kind, nsec_t timeout_ns) {
    nsec_t deadline = DEADLINE_NEVER;
    if (timeout_ns != DEADLINE_NEVER && ckd_add(&deadline, clock_ns(), timeout_ns)) {
        deadline = DEADLINE_NEVER;
    }
    TRY(channel_call(channel, deadline));
    status_t status = reply_status(&message_reply()->header, kind);
    if (status != OK) {
        reply_close_handles();
    }
    return status;
}

status_t call_decoded(status_t status) {
    if (status != OK) {
        reply_close_handles();
    }
    return status;
}

// --- Asynchronous ---

// The transaction number names the slot and its generation; TRANSACTION_KERNEL stays clear.
static uint32_t transaction_of(size_t index) {
    return (uint32_t) (pools.calls[index].generation & 0x7fffu) << 16 | (uint32_t) index;
}

static struct pending_call *call_find(uint32_t transaction) {
    size_t index = transaction & 0xffff;
    if (index >= pools.call_slots.fresh || transaction_of(index) != transaction) {
        return nullptr;
    }
    return pools.calls[index].is_pending ? &pools.calls[index] : nullptr;
}

static void call_end(struct pending_call *call, status_t status, const struct message *message) {
    struct pending_call ended = *call;
    call->is_pending = false;
    call->generation++;
    slots_return(&pools.call_slots, (size_t) (call - pools.calls));
    ended.deliver(ended.done, ended.context, status, message);
}

status_t call_begin(channel_t channel, uint32_t kind, deliver_t deliver, hook_t done, void *context) {
    const struct connection *connection = connection_find(channel);
    if (connection == nullptr) {
        return ERR_NOT_FOUND;
    }
    size_t index = slots_take(&pools.call_slots);
    if (index == SLOT_NONE) {
        return ERR_LIMIT;
    }
    message_out()->header.transaction = transaction_of(index);
    status_t status = message_send(channel);
    if (status != OK) {
        slots_return(&pools.call_slots, index);
        return status;
    }
    struct pending_call *call = &pools.calls[index];
    uint16_t generation = call->generation;
    *call = (struct pending_call) {.connection = (uint16_t) connection_index(connection), .kind = kind};
    call->generation = generation;
    call->is_pending = true;
    call->deliver = deliver;
    call->done = done;
    call->context = context;
    return OK;
}

void call_finish(struct connection *connection, const struct message *message) {
    struct pending_call *call = call_find(message->header.transaction);
    if (call == nullptr || call->connection != connection_index(connection)) {
        component_counters.malformed++; // a reply to nothing
        return;
    }
    call_end(call, reply_status(&message->header, call->kind), message);
}

void calls_fail(struct connection *connection, status_t status) {
    size_t index = connection_index(connection);
    for (size_t i = 0; i < pools.call_slots.fresh; i++) {
        if (pools.calls[i].is_pending && pools.calls[i].connection == index) {
            call_end(&pools.calls[i], status, nullptr);
        }
    }
}
