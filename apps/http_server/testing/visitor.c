// The world around http_server for its tests.
#include "visitor.h"

#include <inspect.h>
#include <listener.h>
#include <network.h>
#include <stdlib.h>
#include <stream.h>
#include <string.h>
#include <supervisor.h>

#include <starina/archive.h>
#include <starina/syscalls.h>

static channel_t network, inspect, listener;

// The tests' own messages are right by construction.
static void must(status_t status) {
    if (status != OK) {
        abort();
    }
}

static void give_archive(void) {
    struct {
        struct archive_header header;
        struct archive_entry entry;
    } archive = {
        .header = {ARCHIVE_MAGIC, 1, 0, 2 * PAGE_SIZE},
        .entry = {.path = "/site/docs/index.html", .offset = PAGE_SIZE, .size = 4},
    };
    struct supervisor_archive event;
    struct message message;
    must(folio_create(2 * PAGE_SIZE, 0, &event.folio));
    must(mem_copy(fake_folio_memory(event.folio), PAGE_SIZE, &archive, sizeof(archive)));
    must(mem_copy(fake_folio_memory(event.folio) + PAGE_SIZE, PAGE_SIZE, "docs", 4));
    must(supervisor_archive_encode(&event, &message));
    fake_give(&message);
}

enum { LENT_MAX = 8 };
static struct network_lend lent[LENT_MAX];
static uint32_t lent_count;

static bool take_lend(void) {
    struct message message;
    struct network_lend_reply reply = {.lent = lent_count + 1};
    bool is_lend = fake_receive(network, &message) && network_lend_decode(&message, &lent[lent_count]) == OK;
    uint32_t transaction = message.header.transaction;
    must(network_lend_reply_encode(&reply, &message));
    message.header.transaction = transaction;
    lent_count++;
    fake_send(network, &message);
    fake_run();
    return is_lend;
}

static bool give_listener(void) {
    struct message message;
    struct network_open_reply reply;
    bool has_lent = take_lend() && take_lend(); // the archive's files, and test bodies
    bool is_question = has_lent && fake_receive(network, &message) && message.header.kind == NETWORK_OPEN;
    uint32_t transaction = message.header.transaction;
    fake_channel_pair(&reply.channel, &listener);
    must(network_open_reply_encode(&reply, &message));
    message.header.transaction = transaction;
    fake_send(network, &message);
    fake_run();
    return is_question && fake_is_ready();
}

bool server_start(void) {
    fake_prepare();
    lent_count = 0;
    network = fake_service("network");
    inspect = fake_service("inspect");
    give_archive();
    fake_start("http_server", "test_bodies=1\nidle_timeout_ms=4000\nrequest_timeout_ms=2000\nlinger_timeout_ms=1000\n");
    return give_listener();
}

size_t server_waiting(void) {
    return fake_queued(listener);
}

static bool take_call(channel_t channel, uint32_t kind, uint32_t *out_transaction) {
    struct message message;
    bool is_call = fake_receive(channel, &message) && message.header.kind == kind;
    *out_transaction = message.header.transaction;
    return is_call;
}

static void answer(channel_t channel, struct message *message, uint32_t transaction, status_t status) {
    message->header.transaction = transaction;
    message->header.status = status;
    message->header.length = status == OK ? message->header.length : 0;
    fake_send(channel, message);
    fake_run();
}

bool server_give_state(status_t status) {
    struct message message;
    uint32_t transaction;
    if (!take_call(inspect, INSPECT_SYSTEM, &transaction)) {
        return false;
    }
    must(inspect_system_reply_encode(&(struct inspect_system_reply) {.cpus = 1}, &message));
    answer(inspect, &message, transaction, status);
    if (status == OK && take_call(network, NETWORK_STATUS, &transaction)) {
        must(network_status_reply_encode(&(struct network_status_reply) {}, &message));
        answer(network, &message, transaction, OK);
    }
    return true;
}

// --- Visitors ---

void visitor_arrive(struct visitor *visitor) {
    struct message message;
    struct listener_accepted event = {.address = 1, .port = 1};
    *visitor = (struct visitor) {};
    fake_channel_pair(&event.stream, &visitor->stream);
    must(listener_accepted_encode(&event, &message));
    fake_send(listener, &message);
    fake_run();
}

void visitor_send(struct visitor *visitor, const char *text) {
    struct message message;
    size_t size = strlen(text);
    for (size_t sent = 0; sent < size && !visitor_is_closed(visitor);) {
        size_t part = size - sent < STREAM_DATA_DATA_MAX ? size - sent : STREAM_DATA_DATA_MAX;
        must(stream_data_encode(&(struct stream_data) {{(const uint8_t *) text + sent, part}}, &message));
        fake_send(visitor->stream, &message);
        fake_run();
        sent += part;
    }
}

void visitor_finish(struct visitor *visitor) {
    struct message message;
    must(stream_finished_encode(&message));
    fake_send(visitor->stream, &message);
    fake_run();
}

static void take_text(struct visitor *visitor, bytes_t text) {
    size_t room = sizeof(visitor->text) - 1 - visitor->text_size;
    must(mem_copy(visitor->text + visitor->text_size, room, text.ptr, text.len));
    visitor->text_size += text.len;
    visitor->text[visitor->text_size] = '\0';
}

static void take_write(struct visitor *visitor, const struct message *message) {
    struct stream_write write;
    must(stream_write_decode(message, &write));
    take_text(visitor, write.data);
}

static void take_lent(struct visitor *visitor, const struct message *message) {
    struct stream_write_lent write;
    must(stream_write_lent_decode(message, &write));
    must(write.lent >= 1 && write.lent <= lent_count ? OK : ERR_NOT_FOUND);
    const struct network_lend *from = &lent[write.lent - 1];
    must(write.offset <= from->size && write.size <= from->size - write.offset ? OK : ERR_INVALID_ARGUMENT);
    take_text(visitor, write.data);
    visitor->body_size += write.size;
    const uint8_t *bytes = fake_folio_memory(from->folio) + from->offset + write.offset;
    must(mem_copy(visitor->body, sizeof(visitor->body), bytes, sizeof(visitor->body)));
}

static void take(struct visitor *visitor, const struct message *message) {
    struct message drained;
    switch (message->header.kind) {
    case STREAM_WRITE:
        take_write(visitor, message);
        break;
    case STREAM_WRITE_LENT:
        take_lent(visitor, message);
        break;
    case STREAM_FINISH:
        visitor->was_finished = true;
        break;
    case STREAM_DRAIN:
        must(stream_drained_encode(&drained));
        if (!visitor_is_closed(visitor)) {
            fake_send(visitor->stream, &drained);
        }
        break;
    default:
        abort();
    }
}

void visitor_read(struct visitor *visitor) {
    struct message message;
    while (fake_receive(visitor->stream, &message)) {
        take(visitor, &message);
        fake_run();
    }
}

void visitor_read_nothing(struct visitor *visitor) {
    fake_channel_limit(visitor->stream, 1);
}

bool visitor_is_closed(const struct visitor *visitor) {
    return !fake_has_peer(visitor->stream);
}

bool visitor_has(const struct visitor *visitor, const char *text) {
    return strstr(visitor->text, text) != nullptr;
}
