// virtio_console: hands the one connection of this machine, which a gateway on the host has accepted and joins to a port of
// a virtio console device, to whoever listens for TCP connections. To a server it is the network.
//
// The gateway is trusted with that connection. A device or a gateway that breaks the rules ends this component.
#include "network.server.h"

#include "connection.h"

#define LISTENER_CLIENT struct listener
#include "listener.server.h"

struct client {
    uint8_t unused; // nothing is kept of who asks
};

enum : uint32_t { LISTENER_CAPACITY = 2048 };

static struct port port;
static struct record_reader reader;
static bool is_ready; // the gateway knows that somebody listens

static struct listener {
    channel_t channel; // HANDLE_INVALID: nobody listens
    const struct client *owner;
} listener;

static struct {
    bool has_come;
    bool is_handed_over;
    bool has_ended; // will send no more
    uint32_t address;
    uint16_t port;
} visitor;

[[noreturn]] static void fail(const char *what, status_t status) {
    log_error("%s: %s", what, status_name(status));
    component_exit(1);
}

// --- Records from the host ---

static void hand_over(void) {
    if (!visitor.has_come || visitor.is_handed_over || listener.channel.handle == HANDLE_INVALID) {
        return;
    }
    struct listener_accepted event = {.address = visitor.address, .port = visitor.port};
    status_t status = connection_begin(&port, listener.owner, &event.stream);
    if (status != OK) {
        fail("the connection can't be handed over", status);
    }
    visitor.is_handed_over = listener_accepted_send(listener.channel, &event) == OK;
    if (!visitor.is_handed_over) { // whoever listened has just gone, and comes back
        (void) handle_close(event.stream.handle);
        connection_undo();
    }
}

static status_t on_record(const struct record *record, size_t *out_taken) {
    if ((record->type == RECORD_OPEN) == visitor.has_come || visitor.has_ended) {
        return ERR_STATE; // a second one, or something before it, or behind the end
    }
    switch (record->type) {
    case RECORD_OPEN:
        visitor.has_come = true;
        visitor.address = record->address;
        visitor.port = record->port;
        hand_over();
        return OK;
    case RECORD_DATA:
        *out_taken = connection_deliver(record->data);
        record_data_taken(&reader, *out_taken);
        return OK;
    default:
        visitor.has_ended = true;
        connection_finish();
        return OK;
    }
}

// The visitor's bytes wait in the port until its stream takes them.
static bool can_read(void) {
    return !visitor.has_come || (visitor.is_handed_over && !connection_is_blocked());
}

static status_t read_records(void) {
    bytes_t bytes;
    TRY(port_received(&port, &bytes));
    while (bytes.len > 0 && can_read()) {
        struct record record;
        size_t header_size, data_size = 0;
        status_t status = record_read(&reader, bytes, &record, &header_size);
        if (status == OK) {
            status = on_record(&record, &data_size);
        }
        if (status != OK && status != ERR_EMPTY) {
            return status;
        }
        port_consume(&port, header_size + data_size);
        TRY(port_received(&port, &bytes));
    }
    return OK;
}

// Does all that can be done, and waits for what can't.
static void run(void) {
    do {
        status_t status = port_run(&port);
        if (status != OK) {
            fail("the device", status);
        }
        status = read_records();
        if (status != OK) {
            fail("the gateway", status);
        }
        connection_send_more();
    } while (!port_rest(&port, can_read(), connection_wants_room()));
}

static void on_device(void *unused, uint32_t causes) {
    (void) unused;
    (void) causes;
    run();
}

// --- The network that this is ---

static void tell_ready(void) {
    uint8_t *buffer = is_ready ? nullptr : port_send_buffer(&port);
    uint64_t now = clock_ns();
    if (buffer == nullptr) {
        return;
    }
    record_write_header(buffer, RECORD_READY, sizeof(now));
    if (mem_copy(buffer + RECORD_HEADER_SIZE, sizeof(now), &now, sizeof(now)) == OK) {
        port_send(&port, RECORD_HEADER_SIZE + sizeof(now));
        is_ready = true;
    }
}

static void on_listener_closed(struct listener *self) {
    self->channel = (channel_t) {};
}

static status_t network_open(struct client *client, const struct network_open *request, struct network_open_reply *reply) {
    bytes_t scheme;
    uint64_t ends;
    if (bytes_slice(request->uri, 0, sizeof("tcp-listen:") - 1, &scheme) != OK || !bytes_equal(scheme, BYTES("tcp-listen:"))) {
        return ERR_UNREACHABLE; // nothing else leads through the gateway
    }
    if (listener.channel.handle != HANDLE_INVALID) {
        return ERR_BUSY;
    }
    TRY(channel_create(LISTENER_CAPACITY, &ends));
    channel_t ours = {(handle_t) ends};
    reply->channel = (channel_t) {(handle_t) (ends >> 32)};
    status_t status = listener_serve(ours, &listener, on_listener_closed, nullptr);
    if (status != OK) {
        (void) handle_close(ours.handle);
        return status; // the framework closes the other end
    }
    listener.channel = ours;
    listener.owner = client;
    tell_ready();
    hand_over();
    run();
    return OK;
}

static status_t network_lend(struct client *client, const struct network_lend *request, struct network_lend_reply *reply) {
    return lending_begin(client, folio_take(&request->folio), request->offset, request->size, &reply->lent);
}

static status_t network_unlend(struct client *client, const struct network_unlend *request) {
    return lending_end(client, request->lent);
}

static status_t network_resolve(struct client *client, const struct network_resolve *request,
                                struct network_resolve_reply *reply) {
    (void) client;
    (void) request;
    (void) reply;
    return ERR_UNREACHABLE;
}

static status_t network_status(struct client *client, struct network_status_reply *reply) {
    (void) client;
    reply->bytes_copied = connection_copied;
    reply->connections = connection_has_begun();
    return OK;
}

static void on_disconnect(struct client *client) {
    connection_disown(client);
    listener.owner = listener.owner == client ? nullptr : listener.owner;
    lendings_disown(client);
}

static status_t start(void) {
    struct device found;
    TRY(device_get(0, &found));
    TRY(virtio_open(&found, VIRTIO_CONSOLE, &port.device));
    TRY(port_start(&found, &port));
    connections_on_change(run);
    TRY(virtio_listen(&port.device, on_device, nullptr));
    run();
    return OK;
}

COMPONENT(virtio_console, .clients = 4, .channels = 4, .start = start, .on_disconnect = on_disconnect);
