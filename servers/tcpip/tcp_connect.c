// TCP connections that clients ask for: looks the name up, connects, then answers the call.
#include "stack.h" // lwIP: before the framework, which poisons what it uses

#include "resolve.h"
#include "tcp_connect.h"
#include "tcp_stream.h"
#include "uri.h"

enum { STREAMS_PER_CLIENT = 64 };

static bool is_waited_for(network_open_token_t opening) {
    return opening.token.generation != 0;
}

void tcp_connect_failed(struct tcp_stream *stream, status_t status) {
    network_open_complete(stream->opening, status, nullptr);
    stream->opening = (network_open_token_t) {};
}

static void give_up(struct tcp_stream *stream, status_t status) {
    tcp_connect_failed(stream, status);
    tcp_stream_free(stream);
}

static err_t on_connected(void *argument, struct tcp_pcb *pcb, err_t error) {
    (void) pcb;
    (void) error; // never an error: those go to tcp_err
    struct tcp_stream *stream = argument;
    tcp_stream_established(stream);
    struct network_open_reply reply;
    status_t status = tcp_stream_open_channel(stream, &reply.channel);
    if (status != OK) {
        tcp_connect_failed(stream, status);
        tcp_stream_abort(stream);
        return ERR_ABRT;
    }
    network_open_complete(stream->opening, OK, &reply);
    stream->opening = (network_open_token_t) {};
    return ERR_OK;
}

static status_t connect(struct tcp_stream *stream, uint32_t address) {
    const ip_addr_t remote = {address};
    struct tcp_pcb *pcb = tcp_new();
    if (pcb == nullptr) {
        return ERR_LIMIT;
    }
    tcp_stream_adopt(stream, pcb);
    err_t error = tcp_connect(pcb, &remote, stream->remote_port, on_connected);
    if (error != ERR_OK) {
        tcp_err(pcb, nullptr);
        tcp_abort(pcb);
        stream->pcb = nullptr;
    }
    return stack_status(error);
}

static void on_resolved(void *context, status_t status, uint32_t address) {
    struct tcp_stream *stream = context;
    status = status == OK ? connect(stream, address) : status;
    if (status != OK) {
        give_up(stream, status);
    }
}

status_t tcp_connect_begin(const struct client *owner, const struct uri *uri) {
    if (tcp_streams_owned(owner) >= STREAMS_PER_CLIENT) {
        return ERR_LIMIT;
    }
    network_open_token_t opening = network_open_defer(owner);
    struct tcp_stream *stream = is_waited_for(opening) ? tcp_stream_create() : nullptr;
    if (stream == nullptr) {
        return ERR_LIMIT;
    }
    stream->owner = stream->lender = owner;
    stream->opening = opening;
    stream->remote_port = uri->port;
    if (!uri->is_name) {
        on_resolved(stream, OK, uri->address);
        return PENDING;
    }
    status_t status = resolve_begin(uri->host, on_resolved, stream);
    if (status != OK) {
        give_up(stream, status);
    }
    return PENDING;
}

void tcp_connect_cancel(struct tcp_stream *stream) {
    if (is_waited_for(stream->opening)) {
        resolve_cancel(stream);
        tcp_stream_abort(stream);
    }
}
