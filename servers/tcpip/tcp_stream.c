// A TCP connection as a `stream`: its life from both sides, the remote end's and the client's.
//
// Neither is trusted. The remote end costs at most its connection; the client closes its channel whenever it likes:
// before its last byte that resets the connection, after it the rest is sent without it.
#include <lwip/priv/tcp_priv.h>

#include "stack.h"
#include "tcp_connect.h"
#include "tcp_listener.h"
#include "tcp_segment.h"
#include "tcp_stream.h"

#define STREAM_CLIENT struct tcp_stream
#include "stream.server.h"

enum : uint32_t { CHANNEL_CAPACITY = 4096 }; // bytes each way: three full messages
enum { POLL_INTERVAL = 2 };                  // slow ticks
enum : uint32_t { LINGER_TICKS = 10 * 1000 / TCP_SLOW_INTERVAL };

static struct tcp_stream streams[STREAMS_MAX];
static struct tcp_stream *free_streams;
static size_t fresh_streams; // those from here on were never touched

// --- Whose a segment probably is, by its ports ---

// What lies here stays a stream for ever, if perhaps another's.
enum { EXPECTED_COUNT = 1024 };
static struct tcp_stream *expected[EXPECTED_COUNT];

static struct tcp_stream **expected_for(uint16_t remote_port, uint16_t local_port) {
    return &expected[(remote_port ^ local_port) % EXPECTED_COUNT];
}

void tcp_stream_established(struct tcp_stream *stream) {
    *expected_for(stream->pcb->remote_port, stream->pcb->local_port) = stream;
}

struct tcp_stream *tcp_stream_expect(uint16_t remote_port, uint16_t local_port) {
    return *expected_for(remote_port, local_port);
}

void tcp_streams_each(void (*visit)(struct tcp_stream *stream)) {
    for (size_t i = 0; i < fresh_streams; i++) {
        visit(&streams[i]);
    }
}

// --- Beginning and end ---

struct tcp_stream *tcp_stream_create(void) {
    struct tcp_stream *stream = free_streams;
    if (stream != nullptr) {
        free_streams = stream->next;
    } else if (fresh_streams < STREAMS_MAX) {
        stream = &streams[fresh_streams++];
    } else {
        return nullptr;
    }
    *stream = (struct tcp_stream) {};
    return stream;
}

void tcp_stream_close_channel(struct tcp_stream *stream) {
    if (stream->channel.handle != HANDLE_INVALID) {
        channel_t channel = stream->channel;
        stream->channel = (channel_t) {};
        (void) channel_detach(channel); // it is attached
    }
}

void tcp_stream_free(struct tcp_stream *stream) {
    stream->owner = stream->lender = nullptr;
    tcp_send_drop(stream);
    tcp_receive_drop(stream);
    resting_ack_drop(stream);
    tcp_stream_close_channel(stream);
    stream->next = free_streams;
    free_streams = stream;
}

unsigned tcp_streams_owned(const struct client *owner) {
    unsigned count = 0;
    for (size_t i = 0; i < fresh_streams; i++) {
        count += streams[i].owner == owner;
    }
    return count;
}

void tcp_streams_disown(const struct client *owner) {
    for (size_t i = 0; i < fresh_streams; i++) {
        struct tcp_stream *stream = &streams[i];
        stream->lender = stream->lender == owner ? nullptr : stream->lender;
        if (stream->owner == owner) {
            stream->owner = nullptr;
            tcp_connect_cancel(stream);
        }
    }
}

// The connection is no more: whoever waits for it is told.
static void stream_lost(struct tcp_stream *stream, err_t error) {
    stream->pcb = nullptr;
    if (stream->listener != nullptr) {
        tcp_listener_forget(stream->listener, stream);
    }
    tcp_connect_failed(stream, stack_status(error));
    tcp_stream_free(stream);
}

static void callbacks_remove(struct tcp_pcb *pcb) {
    tcp_arg(pcb, nullptr);
    tcp_recv(pcb, nullptr); // lwIP's own then: takes and forgets
    tcp_sent(pcb, nullptr);
    tcp_err(pcb, nullptr);
}

void tcp_stream_abort(struct tcp_stream *stream) {
    if (stream->pcb != nullptr) {
        callbacks_remove(stream->pcb);
        tcp_abort(stream->pcb);
    }
    stream_lost(stream, ERR_ABRT);
}

// A connection without a stream ends by itself but for one whose remote end never closes it.
static err_t linger(void *argument, struct tcp_pcb *pcb) {
    uint32_t deadline = (uint32_t) (uintptr_t) argument;
    if ((int32_t) (tcp_ticks - deadline) < 0) {
        return ERR_OK;
    }
    tcp_abort(pcb);
    return ERR_ABRT;
}

static void release_connection(struct tcp_stream *stream) {
    callbacks_remove(stream->pcb);
    tcp_arg(stream->pcb, (void *) (uintptr_t) (uint32_t) (tcp_ticks + LINGER_TICKS));
    tcp_poll(stream->pcb, linger, POLL_INTERVAL);
    stream->pcb = nullptr;
    tcp_send_drop(stream);
}

// Lets go of a connection that has nothing more to tell us: lwIP frees it without a word. Of the stream, when its
// client has gone too.
static void settle(struct tcp_stream *stream) {
    bool is_over = tcp_send_is_complete(stream) && (stream->receiving.is_finished || stream->is_orphan);
    if (stream->pcb != nullptr && is_over) {
        release_connection(stream);
    }
    if (stream->pcb == nullptr && stream->is_orphan) {
        tcp_stream_free(stream);
    }
}

// --- What lwIP reports. After ERR_ABRT it touches the connection no more ---

// Delaying an acknowledgement pays where an answer follows at once, as to a short request. Who sends more may wait for
// it before each last piece (RFC 9293 §3.7.4).
static void acknowledge_soon(struct tcp_stream *stream, const struct pbuf *packet) {
    stream->receiving.unanswered += packet->tot_len;
    if (stream->receiving.unanswered >= tcp_segment_size(stream->pcb)) {
        tcp_ack_now(stream->pcb);
    }
}

static err_t on_received(void *argument, struct tcp_pcb *pcb, struct pbuf *packet, err_t error) {
    (void) error;
    struct tcp_stream *stream = argument;
    if (packet == nullptr) {
        tcp_receive_finish(stream);
        settle(stream);
        return ERR_OK;
    }
    acknowledge_soon(stream, packet);
    if (stream->is_orphan) {
        tcp_recved(pcb, packet->tot_len);
        pbuf_free(packet);
        return ERR_OK;
    }
    if (!tcp_receive_take(stream, packet)) {
        tcp_stream_abort(stream);
        return ERR_ABRT;
    }
    return ERR_OK;
}

static err_t on_sent(void *argument, struct tcp_pcb *pcb, uint16_t size) {
    (void) pcb;
    struct tcp_stream *stream = argument;
    tcp_send_acknowledged(stream, size);
    settle(stream);
    return ERR_OK;
}

static err_t on_poll(void *argument, struct tcp_pcb *pcb) {
    (void) pcb;
    struct tcp_stream *stream = argument;
    bool is_left_alone = stream->sending.is_paused || stream->is_orphan; // the client can't end it
    if (is_left_alone && tcp_send_is_stalled(stream)) {
        tcp_stream_abort(stream);
        return ERR_ABRT;
    }
    bool has_more = stream->sending.write_count > 0 || stream->sending.is_finishing;
    if (has_more) {
        tcp_send_more(stream); // there may be memory again
    }
    settle(stream);
    return ERR_OK;
}

static void on_error(void *argument, err_t error) {
    stream_lost(argument, error);
}

void tcp_stream_adopt(struct tcp_stream *stream, struct tcp_pcb *pcb) {
    stream->pcb = pcb;
    tcp_arg(pcb, stream);
    tcp_recv(pcb, on_received);
    tcp_sent(pcb, on_sent);
    tcp_poll(pcb, on_poll, POLL_INTERVAL);
    tcp_err(pcb, on_error);
    tcp_nagle_disable(pcb); // clients write what they want sent
}

// --- What the client asks for ---

// On entering, what was left out while idle is made up for, which may end the connection and with it the stream. False: it did
static bool enter(struct tcp_stream *stream) {
    stack_enter();
    if (stream->channel.handle == HANDLE_INVALID) {
        stack_leave();
        return false;
    }
    return true;
}

static status_t stream_write(struct tcp_stream *stream, const struct stream_write *request) {
    if (!enter(stream)) {
        return ERR_CLOSED;
    }
    resting_ack_release(stream); // there is more room than it seems
    status_t status = tcp_send_bytes(stream, request->data);
    bool may_wait = request->more && stream->sending.write_count == 0; // for the next write, or at most a second
    if (status == OK && !may_wait) {
        tcp_send_more(stream);
    }
    stack_leave();
    return status;
}

static status_t stream_write_lent(struct tcp_stream *stream, const struct stream_write_lent *request) {
    struct lent *lent = lending_find(stream->lender, request->lent);
    if (lent == nullptr) {
        return ERR_NOT_FOUND;
    }
    if (!enter(stream)) {
        return ERR_CLOSED;
    }
    resting_ack_release(stream);
    status_t status = tcp_send_bytes(stream, request->data);
    if (status == OK) {
        status = tcp_send_lent(stream, lent, request->offset, request->size);
    }
    if (status == OK) {
        tcp_send_more(stream);
    }
    stack_leave();
    return status;
}

static status_t stream_finish(struct tcp_stream *stream) {
    if (stream->sending.is_finishing) {
        return ERR_STATE;
    }
    if (!enter(stream)) {
        return ERR_CLOSED;
    }
    resting_ack_release(stream); // what ends the connection waits for it
    stream->sending.is_finishing = true;
    tcp_send_more(stream);
    settle(stream);
    stack_leave();
    return OK;
}

static status_t stream_drain(struct tcp_stream *stream) {
    if (!enter(stream)) {
        return ERR_CLOSED;
    }
    stream->sending.owes_drained = true;
    resting_ack_release(stream);
    tcp_send_tell(stream);
    stack_leave();
    return OK;
}

static void on_channel_closed(struct tcp_stream *stream) {
    if (!enter(stream)) {
        return;
    }
    stream->channel = (channel_t) {};
    if (stream->sending.is_finishing) {
        stream->is_orphan = true;
        tcp_receive_drop(stream);
        settle(stream);
    } else {
        tcp_stream_abort(stream);
    }
    stack_leave();
}

static void on_channel_writable(struct tcp_stream *stream) {
    if (!enter(stream)) {
        return;
    }
    tcp_receive_tell(stream);
    tcp_send_tell(stream);
    stack_leave();
}

status_t tcp_stream_open_channel(struct tcp_stream *stream, channel_t *out_client) {
    uint64_t ends;
    TRY(channel_create(CHANNEL_CAPACITY, &ends));
    channel_t ours = {(handle_t) ends}, theirs = {(handle_t) (ends >> 32)};
    status_t status = stream_serve(ours, stream, on_channel_closed, on_channel_writable);
    if (status != OK) {
        (void) handle_close(ours.handle);
        (void) handle_close(theirs.handle);
        return status;
    }
    stream->channel = ours;
    *out_client = theirs;
    return OK;
}
