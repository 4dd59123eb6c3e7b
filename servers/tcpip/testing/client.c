// tcpip's clients for its tests.
#include "client.h"

#include "datagram.h"
#include "listener.h"
#include "network.h"
#include "stream.h"

const char static_config[] = "address=10.0.2.15/24\ngateway=10.0.2.2\ndns=10.0.2.3\n";
uint8_t bytes[256 * 1024], received[256 * 1024];
channel_t lender;
uint32_t lent_bytes;

static void fill_bytes(void) {
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t) (i * 7 + i / 251);
    }
}

channel_t listen_on(channel_t client, const char *uri) {
    status_t status = ERR_STATE;
    channel_t listener = {};
    peer_open(client, uri);
    (void) peer_opened(client, &status, &listener);
    return status == OK ? listener : (channel_t) {};
}

bool accept_stream(channel_t listener, channel_t *out_stream) {
    struct message message;
    struct listener_accepted event = {};
    bool is_event = fake_receive(listener, &message) && listener_accepted_decode(&message, &event) == OK;
    *out_stream = event.stream;
    return is_event && event.address == PEER_ADDRESS;
}

// A started component, a listener on port 80, and one connection to it.
bool set_up(struct remote *remote, channel_t *out_stream) {
    fill_bytes();
    if (!peer_start(static_config)) {
        return false;
    }
    lender = peer_client();
    channel_t listener = listen_on(lender, "tcp-listen:0.0.0.0:80");
    if (lend(lender, sizeof(bytes), 0, sizeof(bytes), &lent_bytes) != OK || listener.handle == HANDLE_INVALID ||
        !remote_connect(remote, 5000, 80)) {
        return false;
    }
    return accept_stream(listener, out_stream);
}

bool receive_kind(channel_t channel, uint32_t kind) {
    struct message message;
    return fake_receive(channel, &message) && message.header.kind == kind;
}

// All data events that wait.
size_t receive_stream(channel_t stream, uint8_t *out, size_t capacity) {
    struct message message;
    struct stream_data event;
    size_t size = 0;
    while (fake_receive(stream, &message) && stream_data_decode(&message, &event) == OK) {
        if (mem_copy(out + size, capacity - size, event.data.ptr, event.data.len) == OK) {
            size += event.data.len;
        }
        fake_run();
    }
    return size;
}

void send_message(channel_t channel, const struct message *message) {
    fake_send(channel, message);
    fake_run();
}

void write_bytes(channel_t stream, const uint8_t *data, size_t size) {
    struct message message;
    struct stream_write request = {.data = {data, size}};
    if (stream_write_encode(&request, &message) == OK) {
        send_message(stream, &message);
    }
}

status_t lend(channel_t client, uint64_t folio_size, uint64_t offset, uint64_t size, uint32_t *out_name) {
    struct message message;
    struct network_lend request = {.offset = offset, .size = size};
    struct network_lend_reply reply = {};
    TRY(folio_create(folio_size, FOLIO_CONTIGUOUS, &request.folio));
    TRY(mem_copy(fake_folio_memory(request.folio), folio_size, bytes, folio_size < sizeof(bytes) ? folio_size : sizeof(bytes)));
    TRY(network_lend_encode(&request, &message));
    message.header.transaction = 9;
    send_message(client, &message);
    peer_run_driver();
    if (!fake_receive(client, &message) || message.header.transaction != 9) {
        return ERR_STATE;
    }
    TRY((status_t) message.header.status);
    TRY(network_lend_reply_decode(&message, &reply));
    *out_name = reply.lent;
    return OK;
}

void unlend(channel_t client, uint32_t name) {
    struct message message;
    if (network_unlend_encode(&(struct network_unlend) {.lent = name}, &message) == OK) {
        send_message(client, &message);
    }
}

void write_named(channel_t stream, uint32_t name, uint32_t offset, uint32_t size, bytes_t head) {
    struct message message;
    struct stream_write_lent request = {.lent = name, .offset = offset, .size = size, .data = head};
    if (stream_write_lent_encode(&request, &message) == OK) {
        send_message(stream, &message);
    }
}

void write_lent(channel_t stream, uint64_t offset, uint64_t size) {
    write_named(stream, lent_bytes, (uint32_t) offset, (uint32_t) size, BYTES(""));
}

void finish(channel_t stream) {
    struct message message;
    if (stream_finish_encode(&message) == OK) {
        send_message(stream, &message);
    }
}

void ask_drained(channel_t stream) {
    struct message message;
    if (stream_drain_encode(&message) == OK) {
        send_message(stream, &message);
    }
}

bool are_equal(const uint8_t *a, const uint8_t *b, size_t size) {
    return bytes_equal((bytes_t) {a, size}, (bytes_t) {b, size});
}
