// A TCP connection as a `stream`: what its parts share.
//
// tcp_stream.c: its life; tcp_send.c: from the client to the remote end; tcp_receive.c: the other way.
#pragma once

#include <lwip/tcp.h>

#include "network.h"
#include "resting_acks.h"
#include <lending/lending.h>

#include <starina/component.h>

enum { STREAMS_MAX = 384 };

// Something that was written and that lwIP has not taken yet.
struct tcp_write {
    struct pbuf *copy;  // a copy of the bytes; nullptr: they are in what was lent
    struct lent *lent;  // which this refers to
    uint32_t offset;    // of the first byte that lwIP has not taken
    uint32_t remaining; // bytes
};

enum { WRITES_MAX = 3, WRITES_PER_MESSAGE = 2 };

struct tcp_sending {
    struct tcp_write writes[WRITES_MAX]; // in order
    unsigned write_count;
    lent_set_t lent;       // has the bytes that lwIP sends from where they lie
    uint64_t given;        // bytes, since the beginning
    uint64_t acknowledged; // of these
    uint32_t progress;     // tcp_ticks when the last ones were
    bool is_finishing;     // the client will write no more
    bool is_finished;      // lwIP knows
    bool is_paused;        // the client's messages wait in its channel
    bool owes_drained;     // the client has asked to be told
};

struct tcp_chunk;

struct tcp_receiving {
    struct tcp_chunk *first, *last; // what the client's queue had no room for
    unsigned chunk_count;
    size_t unanswered;  // bytes since we sent some
    bool is_finished;   // the remote end will send no more
    bool owes_finished; // the client was not told yet
};

struct tcp_listener;

struct tcp_stream {
    struct tcp_pcb *pcb; // nullptr before it connects, and when there is nothing more that it must tell us
    channel_t channel;   // HANDLE_INVALID before the client has the other end, and after it has closed it
    bool is_orphan;      // the client has closed it after its last byte
    struct tcp_sending sending;
    struct tcp_receiving receiving;
    struct resting_ack resting;
    struct tcp_listener *listener; // in whose queue it waits
    const struct client *owner;    // who asked for it; nullptr: it was accepted, or the owner has left
    const struct client *lender;   // whose lent ranges its client may write: who asked for it, or listens
    network_open_token_t opening;  // the call that connects it
    uint16_t remote_port;          // to connect to, host byte order
    struct tcp_stream *next;       // in the listener's queue, or the list of free ones
};

// --- tcp_stream.c ---

struct tcp_stream *tcp_stream_create(void); // nullptr: too many
void tcp_stream_adopt(struct tcp_stream *stream, struct tcp_pcb *pcb);
void tcp_stream_established(struct tcp_stream *stream); // its ports are known: tcp_stream_expect finds it
struct tcp_stream *tcp_stream_expect(uint16_t remote_port, uint16_t local_port); // a guess; nullptr: none
void tcp_streams_each(void (*visit)(struct tcp_stream *stream));                 // free ones too
unsigned tcp_streams_owned(const struct client *owner);
void tcp_streams_disown(const struct client *owner); // the client left; its streams last as long as their channels

// Makes the client's end of its channel. On failure nothing has changed.
status_t tcp_stream_open_channel(struct tcp_stream *stream, channel_t *out_client);
void tcp_stream_close_channel(struct tcp_stream *stream);

// Resets the connection, tells the client and frees it.
void tcp_stream_abort(struct tcp_stream *stream);
void tcp_stream_free(struct tcp_stream *stream);

// --- tcp_send.c ---

status_t tcp_send_bytes(struct tcp_stream *stream, bytes_t bytes);
status_t tcp_send_lent(struct tcp_stream *stream, struct lent *lent, uint32_t offset, uint32_t size);
void tcp_send_more(struct tcp_stream *stream);
void tcp_send_acknowledged(struct tcp_stream *stream, uint16_t size);
void tcp_send_tell(struct tcp_stream *stream); // the client's queue has room again
bool tcp_send_is_stalled(const struct tcp_stream *stream);
bool tcp_send_is_complete(const struct tcp_stream *stream); // finished, and the remote end has every byte
void tcp_send_drop(struct tcp_stream *stream);              // after lwIP has forgotten the connection

// --- tcp_receive.c ---

[[nodiscard]] bool tcp_receive_take(struct tcp_stream *stream, struct pbuf *packet); // false: no memory for it. Owns the packet
void tcp_receive_finish(struct tcp_stream *stream);
void tcp_receive_tell(struct tcp_stream *stream); // the client's queue has room again
void tcp_receive_drop(struct tcp_stream *stream);
