// From a response to the stream. Meanwhile nothing is read, so a client that asks for more than it takes is held back
// by its own stream.
#include "http_connection.h"

#include <starina/process.h>
#include <stream.h>

enum : uint64_t { DRAINED_FROM = 16 * 1024 }; // less than that even the slowest takes before it counts as idle

uint64_t send_copied;

void send_begin(struct http_connection *connection) {
    connection->head_sent = 0;
    connection->body_sent = 0;
    connection_enter(connection, STATE_SEND);
}

void send_error(struct http_connection *connection, unsigned status) {
    response_drop(&connection->response);
    response_make_error(&connection->response, status);
    send_begin(connection);
}

void send_end(struct http_connection *connection) {
    response_drop(&connection->response);
    response_clear(&connection->response);
    connection->response.closes = true;
    send_begin(connection);
}

// What was not sent yet.
static bytes_t rest_of_head(const struct http_connection *connection) {
    const struct response *response = &connection->response;
    size_t sent = connection->head_sent;
    return (bytes_t) {(const uint8_t *) response->head + sent, response->head_length - sent};
}

static status_t send_head(struct http_connection *connection) {
    struct stream_write write = {.more = connection->response.size > 0, .data = rest_of_head(connection)};
    if (write.data.len > 0) {
        TRY(stream_write_send(connection->stream, &write));
        connection->head_sent = connection->response.head_length;
    }
    return OK;
}

// The head goes with the first part.
static status_t send_lent(struct http_connection *connection) {
    const struct response *response = &connection->response;
    uint64_t left = response->size - connection->body_sent, start = body_start(response->body);
    uint64_t part = response->period != 0 && left > response->period ? response->period : left;
    struct stream_write_lent write = {
        .lent = body_lent(response->body),
        .offset = (uint32_t) (response->offset - start),
        .size = (uint32_t) part,
        .data = rest_of_head(connection),
    };
    TRY(stream_write_lent_send(connection->stream, &write));
    connection->head_sent = response->head_length;
    connection->body_sent += part;
    return OK;
}

static status_t send_pieces(struct http_connection *connection, const uint8_t *body) {
    const struct response *response = &connection->response;
    while (connection->body_sent < response->size) {
        uint64_t left = response->size - connection->body_sent;
        size_t piece = left < STREAM_WRITE_DATA_MAX ? left : STREAM_WRITE_DATA_MAX;
        struct stream_write write = {.more = piece < left, .data = {body + connection->body_sent, piece}};
        TRY(stream_write_send(connection->stream, &write));
        send_copied += piece;
        connection->body_sent += piece;
    }
    return OK;
}

// A body that is made for one response is not worth lending.
static status_t send_own(struct http_connection *connection) {
    const struct response *response = &connection->response;
    uint64_t address;
    TRY(send_head(connection));
    TRY(vmspace_map(response->folio, 0, response->size, MAP_READ, &address));
    status_t status = send_pieces(connection, (const uint8_t *) (uintptr_t) address);
    (void) vmspace_unmap(address); // it was just mapped there
    return status;
}

static status_t send_body(struct http_connection *connection) {
    return connection->response.body == BODY_OWN ? send_own(connection) : send_lent(connection);
}

static status_t send_response(struct http_connection *connection) {
    struct response *response = &connection->response;
    while (connection->body_sent < response->size) {
        TRY(send_body(connection));
    }
    TRY(send_head(connection)); // of a response without a body
    if (response->closes) {
        return stream_finish_send(connection->stream);
    }
    if (response->size >= DRAINED_FROM && !connection->is_draining) {
        TRY(stream_drain_send(connection->stream));
        connection->is_draining = true;
    }
    return OK;
}

// Behind the last response what the client still sends is read and dropped, until it ends too.
static void end_sending(struct http_connection *connection) {
    response_drop(&connection->response);
    if (!connection->response.closes) {
        connection_enter(connection, STATE_HEAD);
    } else if (connection->has_finished) {
        connection_close(connection);
    } else {
        connection->input_length = 0;
        connection_enter(connection, STATE_LINGER);
    }
}

bool send_step(struct http_connection *connection) {
    status_t status = send_response(connection);
    if (status == ERR_FULL) {
        return false;
    }
    if (status != OK) {
        if (status != ERR_CLOSED) {
            log_warn("a response can't be sent: %s", status_name(status));
        }
        connection_close(connection);
        return false;
    }
    end_sending(connection);
    return true;
}
