// A client's connection: what its parts share.
//
// connection.c: its life; receive.c: from bytes to a response; send.c: from a response to the stream.
#pragma once

#include "connection.h"

enum { CONNECTIONS_MAX = 128, INPUT_SIZE = HEAD_MAX + 1024 };

enum state {
    STATE_FREE,
    STATE_HEAD,   // reads a request's head
    STATE_BODY,   // its response is made; the body goes nowhere
    STATE_STATE,  // waits for the machine's state
    STATE_SEND,   // sends the response; waits for room
    STATE_LINGER, // has sent everything, the end too: waits for the client to end
};

struct http_connection {
    enum state state;
    channel_t stream;
    struct timer timer;
    bool has_deadline; // the timer's is that of what it waits for now
    bool is_paused;
    struct request request;
    struct response response;
    size_t head_sent;
    uint64_t body_sent;
    bool is_draining;  // the client still takes a large body
    bool has_finished; // the client will send no more
    size_t input_length;
    uint8_t input[INPUT_SIZE]; // last: nothing else of it need be touched at first
};

// --- connection.c ---

void connection_enter(struct http_connection *connection, enum state state);

// Goes on as far as input and room allow, and sets the deadline of what it waits for then. The connection may be gone
// afterwards.
void connection_advance(struct http_connection *connection);

// Takes it away at once. What was written still reaches the client if its end was too; else tcpip resets it.
void connection_close(struct http_connection *connection);

// All that wait for the machine's state have it now.
void connections_answer_state(status_t status, folio_t folio, size_t size);

// --- receive.c: steps tell whether there is more to do now ---

bool receive_has_begun(const struct http_connection *connection);        // something of the next request has come
status_t receive_data(struct http_connection *connection, bytes_t data); // ERR_TOO_LARGE
bool receive_head(struct http_connection *connection);
bool receive_body(struct http_connection *connection);

// --- send.c ---

void send_begin(struct http_connection *connection);                  // the response that was made
void send_error(struct http_connection *connection, unsigned status); // in place of it, and as the last one
void send_end(struct http_connection *connection);                    // there is nothing more to say
bool send_step(struct http_connection *connection);
extern uint64_t send_copied; // bytes of bodies that were written, not named
