// From bytes to a response: a head, then a body that goes nowhere, then the answer.
#include "http_connection.h"

#include "answer_cache.h"
#include "machine_state.h"

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

// Half an empty line begins nothing, or a trickle of them would have a request's time again and again.
bool receive_has_begun(const struct http_connection *connection) {
    return connection->input_length > 1 || (connection->input_length == 1 && connection->input[0] != '\r');
}

status_t receive_data(struct http_connection *connection, bytes_t data) {
    size_t room = INPUT_SIZE - connection->input_length;
    TRY(mem_copy(connection->input + connection->input_length, room, data.ptr, data.len));
    connection->input_length += data.len;
    if (connection->state == STATE_HEAD) {
        skip_empty_lines(connection);
    }
    return OK;
}

static void answer(struct http_connection *connection) {
    if (connection->response.waits_for_state) {
        connection_enter(connection, STATE_STATE);
        machine_state_collect(connections_answer_state);
    } else {
        send_begin(connection);
    }
}

// A client that ends within a request gets no answer to it.
static bool wait_for_more(struct http_connection *connection) {
    if (connection->has_finished) {
        send_end(connection);
    }
    return connection->has_finished;
}

static bool answer_again(struct http_connection *connection) {
    size_t length = answer_cache_find(input_of(connection), &connection->response);
    if (length > 0) {
        drop_input(connection, length);
        answer(connection);
    }
    return length > 0;
}

bool receive_head(struct http_connection *connection) {
    skip_empty_lines(connection);
    if (connection->input_length == 0) {
        return wait_for_more(connection);
    }
    if (answer_again(connection)) {
        return true;
    }
    struct request *request = &connection->request;
    size_t length = request_take_head(request, input_of(connection));
    if (length == 0 && request->status == 0) {
        return wait_for_more(connection);
    }
    if (length == 0) {
        send_error(connection, request->status);
        return true;
    }
    response_make(&connection->response, request); // before the head's place is used again
    answer_cache_keep((bytes_t) {connection->input, length}, request, &connection->response);
    drop_input(connection, length);
    if (request->is_complete || connection->response.closes) {
        answer(connection);
    } else {
        connection_enter(connection, STATE_BODY);
    }
    return true;
}

bool receive_body(struct http_connection *connection) {
    struct request *request = &connection->request;
    size_t taken = request_take_body(request, input_of(connection));
    drop_input(connection, taken);
    if (request->status != 0) {
        send_error(connection, request->status);
    } else if (request->is_complete) {
        answer(connection);
    } else if (taken == 0) {
        return wait_for_more(connection);
    }
    return true;
}
