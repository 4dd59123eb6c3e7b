// ipc_server: the other end of what `sx bench ipc` measures.
#include <ipc.server.h>

struct client {
    uint8_t unused;
};

struct words {
    uint64_t words[4];
};

// What came goes back as a reply.
static inline void write_reply(void) {
    const struct message *in = &thread_buffer->in;
    struct message *out = message_out();
    out->header = in->header;
    out->header.kind |= MESSAGE_REPLY;
    for (size_t at = 0; at < in->header.length; at += sizeof(struct words)) {
        *(struct words *) (out->data + at) = *(const struct words *) (in->data + at);
    }
}

static status_t answer(channel_t channel, poll_t poll, bool separate_calls) {
    write_reply();
    if (!separate_calls) {
        return channel_reply_wait(channel, poll, DEADLINE_NEVER);
    }
    TRY(channel_send(channel));
    return poll_wait(poll, DEADLINE_NEVER);
}

static status_t answer_all(channel_t channel, poll_t poll, bool separate_calls) {
    TRY(poll_add(poll, channel.handle, 0));
    TRY(poll_wait(poll, DEADLINE_NEVER));
    while (thread_buffer->event.kind == EVENT_MESSAGE) {
        TRY(answer(channel, poll, separate_calls));
    }
    return OK;
}

static status_t ipc_answer(struct client *client, const struct ipc_answer *request) {
    (void) client;
    poll_t poll;
    TRY(poll_create(&poll));
    channel_t channel = request->channel; // closed when this returns
    status_t status = answer_all(channel, poll, request->separate_calls);
    (void) handle_close(poll.handle);
    return status;
}

static status_t ipc_add(struct client *client, const struct ipc_add *request, struct ipc_add_reply *reply) {
    (void) client;
    reply->ac = request->a + request->c;
    reply->bd = request->b + request->d;
    return OK;
}

COMPONENT(ipc_server, .clients = 1);
