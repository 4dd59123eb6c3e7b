// Connections. Each reads a head, then a body, makes the response, and sends it; meanwhile it reads nothing, so a client
// that asks for more than it takes is held back by its own stream.
#include "connection.h"

#include "machine_state.h"

#include <starina/process.h>

#define STREAM_PEER struct http_connection
#include <stream.client.h>

enum { CONNECTIONS_MAX = 128, INPUT_SIZE = HEAD_MAX + 1024 };
enum : uint64_t { DRAINED_FROM = 64 * 1024, SLOWEST_BYTES_PER_SECOND = 4096 };

enum state {
    STATE_FREE,
    STATE_HEAD,   // reads a request's head
    STATE_BODY,   // its response is made; the body goes nowhere
    STATE_STATE,  // waits for the machine's state
    STATE_SEND,   // sends the response; waits for room
    STATE_LINGER, // has sent everything: waits for the client to end too
};

struct http_connection {
    enum state state;
    channel_t stream;
    struct timer timer;
    struct request request;
    struct response response;
    size_t head_sent;
    uint64_t body_sent;
    bool is_draining;  // the client still takes a large body
    bool has_finished; // the client will send no more
    size_t input_length;
    uint8_t input[INPUT_SIZE];
};

static struct http_connection connections[CONNECTIONS_MAX];
static size_t connection_count;
static nsec_t idle_timeout, request_timeout, send_timeout, linger_timeout;

void (*connections_on_room)(void);

static void advance(struct http_connection *connection);

status_t connections_init(void) {
    idle_timeout = config_u64("idle_timeout_ms", 15000) * NSEC_PER_MSEC;
    request_timeout = config_u64("request_timeout_ms", 10000) * NSEC_PER_MSEC;
    send_timeout = config_u64("send_timeout_ms", 30000) * NSEC_PER_MSEC;
    linger_timeout = config_u64("linger_timeout_ms", 2000) * NSEC_PER_MSEC;
    return OK;
}

// --- Beginning and end ---

static void close_connection(struct http_connection *connection) {
    bool was_full = connection_count == CONNECTIONS_MAX;
    timer_stop(&connection->timer);
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

static void set_deadline(struct http_connection *connection);

status_t connection_serve(channel_t stream) {
    struct http_connection *connection = find_free();
    if (connection == nullptr) {
        return ERR_LIMIT;
    }
    TRY(stream_attach(stream, connection));
    *connection = (struct http_connection) {.state = STATE_HEAD, .stream = stream};
    connection_count++;
    set_deadline(connection);
    return OK;
}

static bool is_idle(const struct http_connection *connection) {
    return connection->state == STATE_HEAD && connection->input_length == 0 && !connection->is_draining;
}

bool connections_make_room(void) {
    struct http_connection *longest = nullptr;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct http_connection *connection = &connections[i];
        if (is_idle(connection) && (longest == nullptr || connection->timer.deadline < longest->timer.deadline)) {
            longest = connection;
        }
    }
    if (connection_count == CONNECTIONS_MAX && longest != nullptr) {
        close_connection(longest);
    }
    return connection_count < CONNECTIONS_MAX;
}

// --- Deadlines ---

static void send_error_and_close(struct http_connection *connection, unsigned status);

static void on_deadline(void *context) {
    struct http_connection *connection = context;
    bool has_begun = connection->state == STATE_BODY || (connection->state == STATE_HEAD && connection->input_length > 0);
    if (has_begun && !connection->is_draining) {
        send_error_and_close(connection, 408);
    } else {
        close_connection(connection);
    }
}

static void set_deadline(struct http_connection *connection) {
    nsec_t after = send_timeout;
    switch (connection->state) {
    case STATE_HEAD:
        after = connection->input_length > 0 ? request_timeout : idle_timeout;
        break;
    case STATE_BODY:
        after = request_timeout;
        break;
    case STATE_LINGER:
        after = linger_timeout;
        break;
    default:
        break;
    }
    if (connection->is_draining) {
        after += send_timeout + connection->body_sent / SLOWEST_BYTES_PER_SECOND * NSEC_PER_SEC;
    }
    timer_start(&connection->timer, after, on_deadline, connection);
}

static void enter(struct http_connection *connection, enum state state) {
    connection->state = state;
    set_deadline(connection);
}

// --- Sending ---

static status_t send_head(struct http_connection *connection) {
    struct response *response = &connection->response;
    if (connection->head_sent == response->head_length) {
        return OK;
    }
    struct stream_write write = {
        .more = response->size > 0,
        .data = {(const uint8_t *) response->head, response->head_length},
    };
    TRY(stream_write_send(connection->stream, &write));
    connection->head_sent = response->head_length;
    return OK;
}

static status_t send_part(struct http_connection *connection) {
    struct response *response = &connection->response;
    uint64_t left = response->size - connection->body_sent;
    uint64_t part = response->period != 0 && left > response->period ? response->period : left;
    folio_t folio;
    TRY(handle_duplicate(response->folio.handle, RIGHT_READ | RIGHT_TRANSFER, &folio.handle));
    struct stream_write_folio write = {.folio = folio, .offset = response->offset, .size = part};
    status_t status = stream_write_folio_send(connection->stream, &write);
    if (status != OK) {
        (void) handle_close(folio.handle); // it stayed here
        return status;
    }
    connection->body_sent += part;
    return OK;
}

static status_t send_response(struct http_connection *connection) {
    struct response *response = &connection->response;
    TRY(send_head(connection));
    while (connection->body_sent < response->size) {
        TRY(send_part(connection));
    }
    if (response->closes) {
        return stream_finish_send(connection->stream);
    }
    if (response->size >= DRAINED_FROM && !connection->is_draining) {
        TRY(stream_drain_send(connection->stream));
        connection->is_draining = true;
    }
    return OK;
}

static void begin_sending(struct http_connection *connection) {
    connection->head_sent = 0;
    connection->body_sent = 0;
    enter(connection, STATE_SEND);
}

static void send_error_and_close(struct http_connection *connection, unsigned status) {
    response_make_error(&connection->response, status);
    begin_sending(connection);
    advance(connection);
}

// Behind the last response what the client still sends is read and dropped: an abort now could destroy that response.
static void end_sending(struct http_connection *connection) {
    bool closes = connection->response.closes;
    if (connection->response.folio.handle != HANDLE_INVALID) {
        connection->response.folio.handle = HANDLE_INVALID; // it was lent
    }
    if (closes) {
        connection->input_length = 0;
        enter(connection, STATE_LINGER);
    } else {
        enter(connection, STATE_HEAD);
    }
}

// False: nothing more can be done now.
static bool send_step(struct http_connection *connection) {
    status_t status = send_response(connection);
    if (status == ERR_FULL) {
        return false;
    }
    if (status != OK) {
        if (status != ERR_CLOSED) {
            log_warn("a response can't be sent: %s", status_name(status));
        }
        close_connection(connection);
        return false;
    }
    end_sending(connection);
    return true;
}

// --- Reading ---

static void drop_input(struct http_connection *connection, size_t count) {
    size_t left = connection->input_length - count;
    if (left > 0 && mem_copy(connection->input, INPUT_SIZE, connection->input + count, left) != OK) {
        left = 0;
    }
    connection->input_length = left;
}

static bytes_t input_of(const struct http_connection *connection) {
    return (bytes_t) {connection->input, connection->input_length};
}

// Empty lines before a request are allowed, for clients that end a body with one too many.
static void skip_empty_lines(struct http_connection *connection) {
    size_t count = 0;
    while (connection->input_length - count >= 2 && connection->input[count] == '\r' && connection->input[count + 1] == '\n') {
        count += 2;
    }
    if (count > 0) {
        drop_input(connection, count);
    }
}

static void on_state(status_t status, folio_t folio, size_t size);

static void answer(struct http_connection *connection) {
    if (connection->response.waits_for_state) {
        enter(connection, STATE_STATE);
        machine_state_collect(on_state);
        return;
    }
    begin_sending(connection);
}

static bool head_step(struct http_connection *connection) {
    skip_empty_lines(connection);
    unsigned status;
    size_t length = request_find_end(input_of(connection), &status);
    if (status != 0) {
        send_error_and_close(connection, status);
        return false;
    }
    if (length == 0) {
        if (connection->has_finished) {
            close_connection(connection);
        }
        return false;
    }
    struct request *request = &connection->request;
    request_parse(request, (bytes_t) {connection->input, length});
    response_make(&connection->response, request); // before the head's place is used again
    drop_input(connection, length);
    if (request->is_complete || connection->response.closes) {
        answer(connection);
    } else {
        enter(connection, STATE_BODY);
    }
    return true;
}

static bool body_step(struct http_connection *connection) {
    struct request *request = &connection->request;
    if (connection->input_length == 0) {
        if (connection->has_finished) {
            close_connection(connection);
        }
        return false;
    }
    drop_input(connection, request_take_body(request, input_of(connection)));
    if (request->status != 0) {
        send_error_and_close(connection, request->status);
        return false;
    }
    if (request->is_complete) {
        answer(connection);
    }
    return true;
}

// Goes on as far as input and room allow. The connection may be gone afterwards.
static void advance(struct http_connection *connection) {
    bool goes_on = true;
    while (goes_on) {
        switch (connection->state) {
        case STATE_HEAD:
            goes_on = head_step(connection);
            break;
        case STATE_BODY:
            goes_on = body_step(connection);
            break;
        case STATE_SEND:
            goes_on = send_step(connection);
            break;
        case STATE_FREE:
        case STATE_STATE:
        case STATE_LINGER:
            return;
        }
    }
    bool waits = connection->state == STATE_SEND || connection->state == STATE_STATE;
    if (connection->state != STATE_FREE && channel_pause(connection->stream, waits) != OK) {
        close_connection(connection);
    }
}

static void on_state(status_t status, folio_t folio, size_t size) {
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct http_connection *connection = &connections[i];
        if (connection->state == STATE_STATE) {
            bool is_head = connection->request.method == METHOD_HEAD;
            response_finish_state(&connection->response, is_head, status, folio, size);
            begin_sending(connection);
            advance(connection);
        }
    }
}

// --- Events of the stream ---

static void stream_on_data(struct http_connection *connection, const struct stream_data *event) {
    if (connection->state == STATE_LINGER) {
        return;
    }
    bool was_empty = connection->input_length == 0;
    if (mem_copy(connection->input + connection->input_length, INPUT_SIZE - connection->input_length, event->data.ptr,
                 event->data.len) != OK) {
        send_error_and_close(connection, 431);
        return;
    }
    connection->input_length += event->data.len;
    if (connection->state == STATE_HEAD && was_empty) {
        set_deadline(connection); // from the first byte on, so a trickle does not extend it
    }
    advance(connection);
}

static void stream_on_finished(struct http_connection *connection) {
    connection->has_finished = true;
    if (connection->state == STATE_LINGER) {
        close_connection(connection);
    } else if (connection->state == STATE_HEAD || connection->state == STATE_BODY) {
        advance(connection);
    }
}

static void stream_on_drained(struct http_connection *connection) {
    connection->is_draining = false;
    if (connection->state == STATE_HEAD) {
        set_deadline(connection);
    }
}

static void stream_on_writable(struct http_connection *connection) {
    if (connection->state == STATE_SEND) {
        set_deadline(connection); // it takes something
        advance(connection);
    }
}

static void stream_on_closed(struct http_connection *connection) {
    close_connection(connection);
}
