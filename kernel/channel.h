// A channel's end: a bounded queue of messages that its peer filled.
#pragma once

#include "handle.h"
#include "poll.h"
#include "thread.h"

#include <starina/message.h>

struct process;

// What a message's header in a thread's buffer and one in a queue both begin with.
struct [[gnu::may_alias]] header_words {
    uint64_t kind_and_transaction, status_and_counts;
};
static_assert(offsetof(struct message_header, handles) == sizeof(struct header_words));

struct channel {
    struct object object;
    struct channel *peer; // nullptr: closed
    struct watch watch;
    struct process *creator; // whose end shuts the channel; nullptr: it is gone
    struct list creator_node;

    // Queue of received messages, as bytes: struct queued_message, its data, padded to 8. nullptr when shut.
    uint8_t *queue;
    uint32_t capacity;   // power of two
    uint32_t head, tail; // free-running: tail - head bytes are used
    uint32_t needed;     // room for which the peer waits after ERR_FULL; 0: it does not

    bool is_writable_again; // EVENT_WRITABLE is due
    bool is_close_told;     // EVENT_CLOSED was delivered

    // That takes the messages sent here; the second only if it has an upcall. Or one on which nobody waits.
    struct poll *receiver, *called;
    uint64_t called_key; // the peer's, in that poll

    struct thread *caller; // waits in channel_call
    struct [[gnu::may_alias]] reply_name {
        uint32_t kind, transaction;
    } awaited;                 // the reply to the latest channel_call
    uint32_t next_transaction; // of channel_call
};

void channel_destroy(struct object *object);
void channel_shut(struct channel *channel); // its creator died: both ends see the peer closed
bool channel_collect(struct channel *channel, struct thread *thread);
void channel_end_call(struct channel *channel, status_t status); // of the thread that waits for a reply, if one does

// The parts of channel_call and channel_reply_wait before they wait. `out_woken`: a thread that is to be made ready, or
// nullptr. Errors as the system calls.
status_t channel_begin_call(struct thread *thread, handle_t handle, struct thread **out_woken);
status_t channel_reply(struct thread *thread, handle_t handle, handle_t poll_handle, struct poll **out_poll,
                       struct thread **out_woken);

void channel_poll_changed(struct channel *channel); // its watch's, or that poll's upcall

// Names the call that a thread of this end makes now, and its reply.
static inline uint32_t channel_name_call(struct channel *channel, uint32_t kind) {
    uint32_t transaction = channel->next_transaction;
    channel->next_transaction = (transaction + 1) | TRANSACTION_KERNEL;
    channel->awaited = (struct reply_name) {kind | MESSAGE_REPLY, transaction};
    return transaction;
}

bool channel_has_news(const struct channel *channel);

// Reads the header of the message that a thread sends, each field once: other threads of its component may write to it.
static inline struct header_words header_read(const struct message *out) {
    const volatile struct header_words *words = (const volatile struct header_words *) &out->header;
    return (struct header_words) {words->kind_and_transaction, words->status_and_counts};
}
