// From a response to the stream. Meanwhile nothing is read, so a client that asks for more than it takes is held back
// by its own stream.
#include "http_connection.h"

#include <starina/process.h>
#include <stream.h>

enum : uint64_t { DRAINED_FROM = 16 * 1024 }; // less than that even the slowest takes before it counts as idle

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
