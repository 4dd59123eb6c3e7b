// The connections' life: accepted, timed, ended. None is worth more than another: while all are in use, the one that is
// idle for longest makes room, and if none is, further clients wait outside.
#include "http_connection.h"

#define STREAM_PEER struct http_connection
#include <stream.client.h>

enum : uint64_t { SLOWEST_BYTES_PER_SECOND = 4096 };

static struct http_connection connections[CONNECTIONS_MAX];
static size_t connection_count;
static const struct http_connection *newest;
static nsec_t idle_timeout, request_timeout, send_timeout, linger_timeout;

void (*connections_on_room)(void);

status_t connections_init(void) {
    idle_timeout = config_u64("idle_timeout_ms", 15000) * NSEC_PER_MSEC;
    request_timeout = config_u64("request_timeout_ms", 10000) * NSEC_PER_MSEC;
    send_timeout = config_u64("send_timeout_ms", 30000) * NSEC_PER_MSEC;
    linger_timeout = config_u64("linger_timeout_ms", 2000) * NSEC_PER_MSEC;
    return OK;
}

// --- Beginning and end ---

void connection_close(struct http_connection *connection) {
    bool was_full = connection_count == CONNECTIONS_MAX;
    timer_stop(&connection->timer);
    response_drop(&connection->response);
    if (channel_detach(connection->stream) != OK) {
        log_warn("a stream was not attached");
    }
    connection->state = STATE_FREE;
    connection_count--;
    if (was_full) {
        connections_on_room();
    }
}

static struct http_connection *find_free(void) {
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (connections[i].state == STATE_FREE) {
            return &connections[i];
        }
    }
    return nullptr;
}

status_t connection_serve(channel_t stream) {
    struct http_connection *connection = find_free();
    if (connection == nullptr) {
        return ERR_LIMIT;
    }
    TRY(stream_attach(stream, connection));
    mem_zero(connection, offsetof(struct http_connection, input));
    connection->stream = stream;
    connection_count++;
    newest = connection;
    connection_enter(connection, STATE_HEAD);
    connection_advance(connection);
    return OK;
}

static bool is_idle(const struct http_connection *connection) {
    return connection->state == STATE_HEAD && !receive_has_begun(connection) && !connection->is_draining;
}

// It waits for a client that has all it asked for. The newest has had no time to ask.
static bool can_be_spared(const struct http_connection *connection) {
    return connection->state == STATE_LINGER || (is_idle(connection) && connection != newest);
}

static struct http_connection *find_spared(void) {
    struct http_connection *longest = nullptr;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct http_connection *connection = &connections[i];
        bool is_longer = longest == nullptr || connection->timer.deadline < longest->timer.deadline;
        longest = can_be_spared(connection) && is_longer ? connection : longest;
    }
    return longest;
}

bool connections_make_room(void) {
    if (connection_count < CONNECTIONS_MAX) {
        return true;
    }
    struct http_connection *spared = find_spared();
    if (spared == nullptr || (spared->state == STATE_HEAD && stream_finish_send(spared->stream) == ERR_FULL)) {
        return false;
    }
    connection_close(spared);
    return true;
}

// --- Deadlines ---

// The client has been too slow with a request or with a body, or has asked for nothing.
static void on_deadline(void *context) {
    struct http_connection *connection = context;
    if (is_idle(connection)) {
        send_end(connection);
    } else if ((connection->state == STATE_HEAD || connection->state == STATE_BODY) && !connection->is_draining) {
        send_error(connection, 408);
    } else {
        connection_close(connection);
        return;
    }
    connection_advance(connection);
}

static nsec_t time_of(const struct http_connection *connection) {
    switch (connection->state) {
    case STATE_HEAD:
        return receive_has_begun(connection) ? request_timeout : idle_timeout;
    case STATE_BODY:
        return request_timeout;
    case STATE_LINGER:
        return linger_timeout;
    default:
        return send_timeout;
    }
}

static void set_deadline(struct http_connection *connection) {
    nsec_t after = time_of(connection);
    if (connection->is_draining) {
        after += send_timeout + connection->body_sent / SLOWEST_BYTES_PER_SECOND * NSEC_PER_SEC;
    }
    timer_start(&connection->timer, after, on_deadline, connection);
    connection->has_deadline = true;
}

void connection_enter(struct http_connection *connection, enum state state) {
    connection->state = state;
    connection->has_deadline = false;
}

// --- Going on ---

static bool step(struct http_connection *connection) {
    switch (connection->state) {
    case STATE_HEAD:
        return receive_head(connection);
    case STATE_BODY:
        return receive_body(connection);
    case STATE_SEND:
        return send_step(connection);
    case STATE_FREE:
    case STATE_STATE:
    case STATE_LINGER:
        return false;
    }
    return false;
}

static void tell_of_room(const struct http_connection *connection) {
    if (connection_count == CONNECTIONS_MAX && can_be_spared(connection)) {
        connections_on_room();
    }
}

// While a response waits, what the client sends waits outside.
static status_t update_pause(struct http_connection *connection) {
    bool waits = connection->state == STATE_SEND || connection->state == STATE_STATE;
    if (waits != connection->is_paused) {
        TRY(channel_pause(connection->stream, waits));
        connection->is_paused = waits;
    }
    return OK;
}

void connection_advance(struct http_connection *connection) {
    while (step(connection)) {
    }
    if (connection->state == STATE_FREE) {
        return;
    }
    if (update_pause(connection) != OK) {
        connection_close(connection);
        return;
    }
    if (!connection->has_deadline) {
        set_deadline(connection);
    }
    tell_of_room(connection);
}

void connections_answer_state(status_t status, folio_t folio, size_t size) {
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct http_connection *connection = &connections[i];
        if (connection->state == STATE_STATE) {
            response_finish_state(&connection->response, &connection->request, status, folio, size);
            send_begin(connection);
            connection_advance(connection);
        }
    }
}

// --- Events of the stream ---

static void stream_on_data(struct http_connection *connection, const struct stream_data *event) {
    if (connection->state == STATE_LINGER) {
        return;
    }
    bool had_begun = receive_has_begun(connection);
    if (receive_data(connection, event->data) != OK) {
        send_error(connection, 431);
    } else if (connection->state == STATE_HEAD && !had_begun && receive_has_begun(connection)) {
        connection->has_deadline = false; // from the first byte on, so a trickle does not extend it
    }
    connection_advance(connection);
}

static void stream_on_finished(struct http_connection *connection) {
    connection->has_finished = true;
    if (connection->state == STATE_LINGER) {
        connection_close(connection);
    } else {
        connection_advance(connection);
    }
}

static void stream_on_drained(struct http_connection *connection) {
    connection->is_draining = false;
    if (connection->state == STATE_HEAD) {
        set_deadline(connection);
        tell_of_room(connection);
    }
}

static void stream_on_writable(struct http_connection *connection) {
    if (connection->state == STATE_SEND) {
        connection->has_deadline = false; // it takes something
        connection_advance(connection);
    }
}

static void stream_on_closed(struct http_connection *connection) {
    connection_close(connection);
}
