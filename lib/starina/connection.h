// Channels that the main loop watches, and the calls and replies that go through them; for generated headers.
//
// Components meet these through their interfaces' typed functions; only channel_detach, channel_pause, client_channel
// and the take functions are for them directly.
#pragma once

#include <starina/message.h>
#include <starina/syscalls.h>

typedef void (*hook_t)(void); // called with its real type by whoever knows it

// One side of an interface, as the main loop delivers to it.
struct protocol {
    const char *name;
    // OK, or why the connection must end. A call was answered.
    status_t (*receive)(void *context, const struct message *message);
    void (*run_hook)(hook_t hook, void *context);
    uint32_t reply_max; // bytes of data of the largest reply
};
extern const struct protocol plain_protocol; // replies to asynchronous calls, no events

[[gnu::visibility("hidden")]] extern struct thread_buffer *thread_buffer;

static inline struct message *message_out(void) {
    return &thread_buffer->out;
}

static inline const struct message *message_reply(void) {
    return &thread_buffer->reply;
}

// --- Connections ---

// Watches a channel from now on. The channel is the framework's on success. Hooks may be null: then a closed
// connection is just detached. ERR_LIMIT: no room (.channels of COMPONENT)
status_t connection_attach(channel_t channel, const struct protocol *protocol, void *context, hook_t on_closed,
                           hook_t on_writable);

status_t channel_detach(channel_t channel);             // stops delivery and closes it. ERR_NOT_FOUND: not attached
status_t channel_pause(channel_t channel, bool paused); // stops or resumes delivery of messages. ERR_NOT_FOUND
channel_t client_channel(const void *client);           // HANDLE_INVALID: not connected

// Sends the message in `out`. ERR_FULL: on_writable follows if the channel is attached. Handles move on success.
status_t message_send(channel_t channel);

// --- Handles in the message that is being delivered: closed after the handler unless taken ---

void handle_take(handle_t handle);
#define STARINA_DEFINE_TAKE(name, type)                 \
    static inline type name##_take(const type *field) { \
        handle_take(field->handle);                     \
        return *field;                                  \
    }
STARINA_DEFINE_TAKE(channel, channel_t)
STARINA_DEFINE_TAKE(folio, folio_t)
STARINA_DEFINE_TAKE(interrupt, interrupt_t)
STARINA_DEFINE_TAKE(process, process_t)

// --- Calls ---

// Sends the call in `out` and waits for its reply, in `reply`. The reply's status, or why there is none.
status_t call_wait(channel_t channel, uint32_t kind, nsec_t timeout_ns);
status_t call_decoded(status_t status); // on an error closes the reply's handles

typedef void (*deliver_t)(hook_t done, void *context, status_t status, const struct message *reply);

// Sends the call in `out`; `deliver` is called with `done` once the reply came or can't come any more.
// ERR_LIMIT: too many calls under way (.calls of COMPONENT). ERR_NOT_FOUND: not attached
status_t call_begin(channel_t channel, uint32_t kind, deliver_t deliver, hook_t done, void *context);

// --- Replies ---

struct reply_token {
    uint32_t slot;
    uint32_t generation; // 0: no token
};

// Answers the current request with what is in `out`. What the peer has no room for waits for it; meanwhile no further
// request of this connection is taken. Handles in `out` are closed if it can't be sent.
status_t reply_send(status_t status);
status_t reply_pending(void); // the handler answered PENDING: an error if it deferred nothing
struct reply_token reply_defer(const void *client);
void reply_complete(struct reply_token token, status_t status);
