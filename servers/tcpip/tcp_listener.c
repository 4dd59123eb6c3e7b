// Listening TCP sockets: each new connection goes to the client as an `accepted` event, in order.
//
// While the client's queue is full they wait here. Those that wait and those that are half open together are at most
// the backlog; beyond it SYNs are not answered.
#include "stack.h" // lwIP: before the framework, which poisons what it uses

#include "tcp_listener.h"
#include "tcp_stream.h"

#define LISTENER_CLIENT struct tcp_listener
#include "listener.server.h"

enum { LISTENERS_MAX = 32, LISTENERS_PER_CLIENT = 8, BACKLOG = 128 };
enum : uint32_t { CHANNEL_CAPACITY = 4096 };

struct tcp_listener {
    struct tcp_pcb *pcb; // nullptr: free
    channel_t channel;
    const struct client *owner;
    struct tcp_stream *first, *last; // connected, but the client's queue was full
    bool is_full;
};

static struct tcp_listener listeners[LISTENERS_MAX];

// --- Handing connections over ---

static void queue_append(struct tcp_listener *listener, struct tcp_stream *stream) {
    stream->listener = listener;
    stream->next = nullptr;
    *(listener->first == nullptr ? &listener->first : &listener->last->next) = stream;
    listener->last = stream;
    tcp_backlog_delayed(stream->pcb);
}

void tcp_listener_forget(struct tcp_listener *listener, struct tcp_stream *stream) {
    struct tcp_stream *before = nullptr;
    for (struct tcp_stream *at = listener->first; at != stream; at = at->next) {
        before = at;
    }
    *(before == nullptr ? &listener->first : &before->next) = stream->next;
    if (listener->last == stream) {
        listener->last = before;
    }
    stream->listener = nullptr;
    stream->next = nullptr;
}

static status_t hand_over(struct tcp_listener *listener, struct tcp_stream *stream) {
    struct listener_accepted event = {.address = stream->pcb->remote_ip.addr, .port = stream->pcb->remote_port};
    TRY(tcp_stream_open_channel(stream, &event.stream));
    status_t status = listener_accepted_send(listener->channel, &event);
    if (status != OK) {
        (void) handle_close(event.stream.handle);
        tcp_stream_close_channel(stream);
    }
    return status;
}

static void hand_over_all(struct tcp_listener *listener) {
    while (listener->first != nullptr && !listener->is_full) {
        struct tcp_stream *stream = listener->first;
        status_t status = hand_over(listener, stream);
        listener->is_full = status == ERR_FULL;
        if (status == OK) {
            tcp_backlog_accepted(stream->pcb);
            tcp_listener_forget(listener, stream);
            tcp_receive_tell(stream); // what came meanwhile
        } else if (status != ERR_FULL) {
            tcp_stream_abort(stream); // no memory or handles for it
        }
    }
}

static err_t on_accept(void *argument, struct tcp_pcb *pcb, err_t error) {
    struct tcp_listener *listener = argument;
    if (error != ERR_OK || pcb == nullptr) {
        return ERR_VAL;
    }
    struct tcp_stream *stream = tcp_stream_create();
    if (stream == nullptr) {
        return ERR_MEM; // lwIP resets it
    }
    stream->lender = listener->owner;
    tcp_stream_adopt(stream, pcb);
    tcp_stream_established(stream);
    queue_append(listener, stream);
    hand_over_all(listener);
    return pcb == stream->pcb ? ERR_OK : ERR_ABRT;
}

// --- The socket ---

static void on_channel_closed(struct tcp_listener *listener) {
    stack_enter();
    while (listener->first != nullptr) {
        tcp_stream_abort(listener->first);
    }
    tcp_close(listener->pcb);
    *listener = (struct tcp_listener) {};
    stack_leave();
}

static void on_channel_writable(struct tcp_listener *listener) {
    stack_enter();
    listener->is_full = false;
    hand_over_all(listener);
    stack_leave();
}

static status_t find_free(const struct client *owner, struct tcp_listener **out_listener) {
    unsigned owned = 0;
    *out_listener = nullptr;
    for (size_t i = 0; i < LISTENERS_MAX; i++) {
        owned += listeners[i].owner == owner;
        if (listeners[i].pcb == nullptr) {
            *out_listener = &listeners[i];
        }
    }
    return *out_listener != nullptr && owned < LISTENERS_PER_CLIENT ? OK : ERR_LIMIT;
}

// lwIP would let a listener for one address take what comes to it from another that listens on all.
static bool is_taken(uint32_t address, uint16_t port) {
    for (size_t i = 0; i < LISTENERS_MAX; i++) {
        const struct tcp_pcb *pcb = listeners[i].pcb;
        bool is_same = pcb != nullptr && pcb->local_port == port;
        if (is_same && (pcb->local_ip.addr == address || pcb->local_ip.addr == 0 || address == 0)) {
            return true;
        }
    }
    return false;
}

static status_t listen(struct tcp_listener *listener, uint32_t address, uint16_t port) {
    const ip_addr_t local = {address};
    if (is_taken(address, port)) {
        return ERR_BUSY;
    }
    struct tcp_pcb *pcb = tcp_new();
    if (pcb == nullptr) {
        return ERR_LIMIT;
    }
    ip_set_option(pcb, SOF_REUSEADDR); // connections of an earlier one may still be there
    err_t error = tcp_bind(pcb, &local, port);
    listener->pcb = error == ERR_OK ? tcp_listen_with_backlog_and_err(pcb, BACKLOG, &error) : nullptr;
    if (listener->pcb == nullptr) {
        tcp_abort(pcb);
        return stack_status(error);
    }
    tcp_arg(listener->pcb, listener);
    tcp_accept(listener->pcb, on_accept);
    return OK;
}

static status_t open_channel(struct tcp_listener *listener, channel_t *out_client) {
    uint64_t ends;
    TRY(channel_create(CHANNEL_CAPACITY, &ends));
    channel_t ours = {(handle_t) ends}, theirs = {(handle_t) (ends >> 32)};
    status_t status = listener_serve(ours, listener, on_channel_closed, on_channel_writable);
    if (status != OK) {
        (void) handle_close(ours.handle);
        (void) handle_close(theirs.handle);
        return status;
    }
    listener->channel = ours;
    *out_client = theirs;
    return OK;
}

status_t tcp_listener_open(struct client *owner, uint32_t address, uint16_t port, channel_t *out_client) {
    struct tcp_listener *listener;
    TRY(find_free(owner, &listener));
    TRY(listen(listener, address, port));
    status_t status = open_channel(listener, out_client);
    if (status != OK) {
        tcp_close(listener->pcb);
        *listener = (struct tcp_listener) {};
        return status;
    }
    listener->owner = owner;
    return OK;
}

void tcp_listeners_disown(const struct client *owner) {
    for (size_t i = 0; i < LISTENERS_MAX; i++) {
        if (listeners[i].owner == owner) {
            listeners[i].owner = nullptr;
        }
    }
}
