// ipc_server: the other end of what `sx bench ipc` measures.
#include <ipc.server.h>
#include <ring/queue.h>

struct client {
    struct queue queue;
    uint64_t messages, wrong; // that came through it
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

// The same of messages of a known size without handles, as in interfaces that have no other ones.

static bool answer_words(uint64_t) {
    const struct message *in = &thread_buffer->in;
    struct message *out = message_out();
    __builtin_memcpy(&out->header, &in->header, offsetof(struct message_header, handles));
    out->header.kind |= MESSAGE_REPLY;
    *(struct words *) out->data = *(const struct words *) in->data;
    return true;
}

static bool answer_lines(uint64_t) {
    const struct message *in = &thread_buffer->in;
    struct message *out = message_out();
    (void) answer_words(0);
    *(struct words *) (out->data + sizeof(struct words)) = *(const struct words *) (in->data + sizeof(struct words));
    return true;
}

static uint64_t upcall_for(uint32_t words) {
    switch (words) {
    case 4:
        return (uint64_t) answer_words;
    case 8:
        return (uint64_t) answer_lines;
    default:
        return 0;
    }
}

static status_t answer(channel_t channel, poll_t poll, bool separate_calls) {
    if (thread_buffer->event.kind != EVENT_UPCALL) {
        write_reply();
    }
    if (!separate_calls) {
        return channel_reply_wait(channel, poll, DEADLINE_NEVER);
    }
    TRY(channel_send(channel));
    return poll_wait(poll, DEADLINE_NEVER);
}

static status_t answer_all(channel_t channel, poll_t poll, const struct ipc_answer *request) {
    bool separate_calls = request->separate_calls;
    TRY(poll_set_upcall(poll, upcall_for(request->upcall_words)));
    TRY(poll_add(poll, channel.handle, 0));
    TRY(poll_wait(poll, DEADLINE_NEVER));
    while (thread_buffer->event.kind != EVENT_CLOSED) {
        TRY(answer(channel, poll, separate_calls));
    }
    return OK;
}

static status_t ipc_answer(struct client *client, const struct ipc_answer *request) {
    (void) client;
    poll_t poll;
    TRY(poll_create(&poll));
    channel_t channel = request->channel; // closed when this returns
    status_t status = answer_all(channel, poll, request);
    (void) handle_close(poll.handle);
    return status;
}

static status_t ipc_add(struct client *client, const struct ipc_add *request, struct ipc_add_reply *reply) {
    (void) client;
    reply->ac = request->a + request->c;
    reply->bd = request->b + request->d;
    return OK;
}

// --- A queue ---

struct line {
    uint64_t words[QUEUE_WORDS];
};

static status_t ipc_queue_open(struct client *client, const struct ipc_queue_open *request) {
    queue_close(&client->queue);
    client->messages = client->wrong = 0;
    TRY(queue_join(&client->queue, QUEUE_CONSUMER, request->length, request->folio));
    (void) queue_sleep(&client->queue); // what is there already was not announced: the client begins after this
    return OK;
}

static bool is_right(const struct line *message, uint64_t number) {
    uint64_t difference = 0;
    for (size_t i = 0; i < QUEUE_WORDS; i++) {
        difference |= message->words[i] ^ (number + i);
    }
    return difference == 0;
}

static status_t take_all(struct client *client) {
    struct line message;
    status_t status;
    while ((status = queue_take(&client->queue, &message, sizeof(message))) == OK) {
        client->wrong += !is_right(&message, client->messages++);
    }
    return status;
}

static status_t ipc_queue_kick(struct client *client) {
    status_t status;
    do {
        status = take_all(client);
        if (queue_publish(&client->queue)) {
            TRY(ipc_queue_wake_send(client_channel(client)));
        }
    } while (status == ERR_EMPTY && !queue_sleep(&client->queue));
    return status == ERR_EMPTY ? OK : status;
}

static status_t ipc_queue_count(struct client *client, struct ipc_queue_count_reply *reply) {
    reply->messages = client->messages;
    reply->wrong = client->wrong;
    return OK;
}

static void disconnected(struct client *client) {
    queue_close(&client->queue);
}

// --- Folios ---

static status_t ipc_sum(struct client *client, const struct ipc_sum *request, struct ipc_sum_reply *reply) {
    (void) client;
    uint64_t size, address;
    TRY(folio_info(request->folio, &size));
    TRY(vmspace_map(request->folio, 0, size, MAP_READ, &address));
    const uint64_t *words = (const uint64_t *) (uintptr_t) address;
    for (size_t i = 0; i < size / sizeof(uint64_t); i++) {
        reply->sum += words[i];
    }
    return vmspace_unmap(address);
}

static status_t ipc_copied(struct client *client, struct ipc_copied_reply *reply) {
    (void) client;
    struct process_info info;
    TRY(process_info((process_t) {HANDLE_INVALID}, &info));
    reply->bytes = info.copied_bytes;
    return OK;
}

COMPONENT(ipc_server, .clients = 1, .on_disconnect = disconnected);
