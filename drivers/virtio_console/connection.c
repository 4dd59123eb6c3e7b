// What the client writes goes into the port's buffers, one record each; what has no room waits, and holds the client back.
//
// The client is not trusted: it can abort its own connection, nothing else.
#include "connection.h"

#define STREAM_CLIENT struct connection
#include "stream.server.h"

enum : uint32_t { CHANNEL_CAPACITY = 8192 };
enum : size_t { DATA_MAX = PORT_BUFFER_SIZE - RECORD_HEADER_SIZE };

static struct connection {
    struct port *port;
    channel_t channel; // HANDLE_INVALID: not begun, or the client has gone
    bool has_begun;
    bool has_ended;  // END or ABORT was sent
    bool owes_abort; // but had no buffer
    bool is_paused;  // the client's messages wait in its channel
    bool is_blocked; // its queue is full
    bool owes_finished;
    bool owes_drained;
    size_t filled;               // bytes of data in the send buffer that is being filled
    const struct client *lender; // whose lent ranges the client may write
    struct lent *lent;           // what is being sent; nullptr: nothing is
    uint32_t offset, remaining;
} connection;

static void (*on_change)(void);
uint64_t connection_copied;

void connections_on_change(void (*run)(void)) {
    on_change = run;
}

bool connection_has_begun(void) {
    return connection.has_begun;
}

bool connection_is_blocked(void) {
    return connection.is_blocked;
}

bool connection_wants_room(void) {
    return connection.lent != nullptr || connection.is_paused || connection.owes_drained || connection.owes_abort;
}

// --- To the host ---

static void flush(void) {
    uint8_t *buffer = port_send_buffer(connection.port);
    if (connection.filled > 0 && buffer != nullptr) {
        record_write_header(buffer, RECORD_DATA, connection.filled);
        port_send(connection.port, RECORD_HEADER_SIZE + connection.filled);
        connection.filled = 0;
    }
}

// Copies what there is room for; returns how much that was.
static size_t fill(const uint8_t *bytes, size_t size) {
    size_t done = 0;
    uint8_t *buffer;
    while (done < size && (buffer = port_send_buffer(connection.port)) != nullptr) {
        size_t room = DATA_MAX - connection.filled;
        size_t part = size - done < room ? size - done : room;
        if (mem_copy(buffer + RECORD_HEADER_SIZE + connection.filled, room, bytes + done, part) != OK) {
            break;
        }
        connection_copied += part;
        done += part;
        connection.filled += part;
        if (connection.filled == DATA_MAX) {
            flush();
        }
    }
    return done;
}

static bool send_empty(enum record_type type) {
    uint8_t *buffer = port_send_buffer(connection.port);
    if (buffer == nullptr) {
        return false;
    }
    record_write_header(buffer, type, 0);
    port_send(connection.port, RECORD_HEADER_SIZE);
    connection.has_ended = true;
    return true;
}

// Its next message is taken when nothing before it waits and there is room for what the largest needs: the rest of a
// buffer that is being filled, and one more.
static void hold_back(void) {
    bool must_wait = connection.lent != nullptr || connection.port->free_send_count < 2;
    if (connection.channel.handle != HANDLE_INVALID && must_wait != connection.is_paused &&
        channel_pause(connection.channel, must_wait) == OK) {
        connection.is_paused = must_wait;
    }
}

// --- What was lent ---

static void drop_lent(void) {
    if (connection.lent != nullptr) {
        lending_release(connection.lent);
        connection.lent = nullptr;
        connection.remaining = 0;
    }
}

// What has no room waits.
static void send_lent(void) {
    if (connection.lent == nullptr) {
        return;
    }
    size_t done = fill(connection.lent->bytes + connection.offset, connection.remaining);
    connection.offset += done;
    connection.remaining -= done;
    if (connection.remaining == 0) {
        drop_lent();
        flush();
    }
}

// --- From the host ---

size_t connection_deliver(bytes_t bytes) {
    if (connection.channel.handle == HANDLE_INVALID) {
        return bytes.len; // nobody reads any more
    }
    size_t delivered = 0;
    while (delivered < bytes.len && !connection.is_blocked) {
        size_t size = bytes.len - delivered;
        size = size < STREAM_DATA_DATA_MAX ? size : STREAM_DATA_DATA_MAX;
        const struct stream_data event = {.data = {bytes.ptr + delivered, size}};
        status_t status = stream_data_send(connection.channel, &event);
        connection.is_blocked = status == ERR_FULL;
        delivered += connection.is_blocked ? 0 : size;
    }
    return delivered;
}

static void tell(void) {
    if (connection.channel.handle == HANDLE_INVALID) {
        return;
    }
    if (connection.owes_finished && stream_finished_send(connection.channel) != ERR_FULL) {
        connection.owes_finished = false;
    }
    bool is_drained = connection.lent == nullptr && connection.filled == 0 && port_is_drained(connection.port);
    if (connection.owes_drained && is_drained && stream_drained_send(connection.channel) != ERR_FULL) {
        connection.owes_drained = false;
    }
}

void connection_finish(void) {
    connection.owes_finished = true;
    tell();
}

// --- The client ---

static status_t stream_write(struct connection *self, const struct stream_write *request) {
    if (self->has_ended) {
        return ERR_STATE;
    }
    if (fill(request->data.ptr, request->data.len) < request->data.len) {
        return ERR_LIMIT; // it was held back: there is room
    }
    if (!request->more) {
        flush();
    }
    on_change();
    return OK;
}

static status_t stream_write_lent(struct connection *self, const struct stream_write_lent *request) {
    struct lent *lent = lending_find(self->lender, request->lent);
    if (lent == nullptr) {
        return ERR_NOT_FOUND;
    }
    if (self->has_ended || request->offset > lent->size || request->size > lent->size - request->offset) {
        return ERR_INVALID_ARGUMENT;
    }
    if (fill(request->data.ptr, request->data.len) < request->data.len) {
        return ERR_LIMIT; // it was held back: there is room
    }
    lending_retain(lent);
    self->lent = lent;
    self->offset = request->offset;
    self->remaining = request->size;
    send_lent();
    on_change();
    return OK;
}

static status_t stream_finish(struct connection *self) {
    if (self->has_ended) {
        return ERR_STATE;
    }
    flush();
    status_t status = send_empty(RECORD_END) ? OK : ERR_LIMIT; // it was held back: there is room
    on_change();
    return status;
}

static status_t stream_drain(struct connection *self) {
    flush();
    self->owes_drained = true;
    on_change();
    return OK;
}

static void forget_client(void) {
    connection.channel = (channel_t) {};
    connection.is_blocked = connection.is_paused = connection.owes_drained = connection.owes_finished = false;
    drop_lent();
    connection.owes_abort = !connection.has_ended;
    connection.filled = 0;
}

static void on_closed(struct connection *) {
    forget_client();
    on_change();
}

void connection_disown(const struct client *lender) {
    connection.lender = connection.lender == lender ? nullptr : connection.lender;
}

void connection_undo(void) {
    (void) channel_detach(connection.channel); // it was attached by connection_begin
    connection = (struct connection) {};
}

static void on_writable(struct connection *self) {
    self->is_blocked = false;
    on_change();
}

void connection_send_more(void) {
    if (!connection.has_begun) {
        return;
    }
    send_lent();
    if (connection.owes_abort) {
        connection.owes_abort = !send_empty(RECORD_ABORT);
    }
    tell();
    hold_back();
}

status_t connection_begin(struct port *port, const struct client *lender, channel_t *out_client) {
    uint64_t ends;
    if (connection.has_begun) {
        return ERR_STATE;
    }
    TRY(channel_create(CHANNEL_CAPACITY, &ends));
    channel_t ours = {(handle_t) ends}, theirs = {(handle_t) (ends >> 32)};
    status_t status = stream_serve(ours, &connection, on_closed, on_writable);
    if (status != OK) {
        (void) handle_close(ours.handle);
        (void) handle_close(theirs.handle);
        return status;
    }
    connection = (struct connection) {.port = port, .channel = ours, .has_begun = true, .lender = lender};
    *out_client = theirs;
    return OK;
}
