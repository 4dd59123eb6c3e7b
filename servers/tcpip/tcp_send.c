// From the client to the remote end: small writes are copied, what was lent is sent from where it lies.
//
// lwIP takes what its send buffer has room for. The rest of a write waits here, then one more, then the client's
// channel: the client finds its queue full.
#include <lwip/priv/tcp_priv.h>

#include "heap.h"
#include "tcp_segment.h"
#include "tcp_stream.h"

#include "stream.h"

enum : size_t {
    STEP_SEGMENTS = 16, // given to lwIP at a time: it takes all of them or nothing
    DESCRIPTOR_SIZE = sizeof(struct tcp_seg),
    HEADERS_SIZE = 96, // about what lwIP allocates besides the data
    SHARE = 2,         // a connection may queue this part of the objects that are left,
    SURE_SEGMENTS = 4, // but so many segments always, or one that is copied
    SURE_COPIES = 1,
};
enum : uint32_t { STALL_TICKS = 30 * 1000 / TCP_SLOW_INTERVAL };

// --- Giving bytes to lwIP ---

static struct tcp_write *first_write(struct tcp_stream *stream) {
    return &stream->sending.writes[0];
}

static void remove_first_write(struct tcp_stream *stream) {
    struct tcp_sending *sending = &stream->sending;
    struct tcp_write *write = first_write(stream);
    if (write->copy != nullptr) {
        pbuf_free(write->copy);
    }
    if (write->lent != nullptr) {
        lending_release(write->lent);
    }
    sending->write_count--;
    for (unsigned i = 0; i < sending->write_count; i++) {
        sending->writes[i] = sending->writes[i + 1];
    }
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

// What lwIP cuts data into.
static size_t segment_size(const struct tcp_pcb *pcb) {
    size_t half = pcb->snd_wnd_max / 2;
    return half > 0 && half < pcb->mss ? half : pcb->mss;
}

// A part of the objects that are left, in segments. What all other connections are sure of is not among these.
static size_t fair_share(size_t object_size, size_t objects_each, size_t sure) {
    size_t room = heap_room(object_size) / objects_each, kept = sure * STREAMS_MAX;
    return smaller(room, sure + (room > kept ? (room - kept) / SHARE : 0));
}

// How many segments more the connection may queue. Each takes an object for its headers, with its data if that is
// copied, and a descriptor; data that is not copied takes one more. snd_queuelen is how many descriptors it has.
static size_t segments_allowed(const struct tcp_pcb *pcb, bool is_copied, size_t object_size) {
    size_t each = is_copied ? 1 : 2, sure = is_copied ? SURE_COPIES : SURE_SEGMENTS;
    size_t share = fair_share(DESCRIPTOR_SIZE, each, sure), objects = fair_share(object_size, 1, sure);
    share = smaller(smaller(share, objects), TCP_SND_QUEUELEN / each);
    size_t queued = pcb->snd_queuelen / each;
    return share > queued ? smaller(share - queued, STEP_SEGMENTS) : 0;
}

// How much of it lwIP may be given now. Pieces are whole segments, so that a nearly full buffer makes no small ones.
static size_t step_size(const struct tcp_pcb *pcb, size_t size, bool is_copied) {
    size_t segment = segment_size(pcb), room = tcp_sndbuf(pcb);
    if (size <= segment && size <= room && pcb->snd_queuelen <= (is_copied ? 0 : 1)) {
        return size; // of one segment each connection is sure, with a head in front of it that was copied
    }
    size_t object_size = HEADERS_SIZE + (is_copied ? smaller(size, segment) : 0);
    size_t most = smaller(segments_allowed(pcb, is_copied, object_size) * segment, UINT16_MAX - UINT16_MAX % segment);
    size_t step = smaller(most, size);
    return step <= room ? step : room - room % segment;
}

// Returns how much lwIP took.
static size_t give(struct tcp_stream *stream, const uint8_t *data, size_t size, uint8_t flags) {
    struct tcp_sending *sending = &stream->sending;
    tcp_segment_grow(stream->pcb);
    size_t step = step_size(stream->pcb, size, (flags & TCP_WRITE_FLAG_COPY) != 0);
    flags |= step < size ? TCP_WRITE_FLAG_MORE : 0;
    if (step == 0 || tcp_write(stream->pcb, data, (uint16_t) step, flags) != ERR_OK) {
        return 0;
    }
    if (sending->given == sending->acknowledged) {
        sending->progress = tcp_ticks;
    }
    stream->receiving.unanswered = 0;
    sending->given += step;
    return step;
}

// --- The queue of writes ---

static size_t give_first(struct tcp_stream *stream) {
    struct tcp_write *write = first_write(stream);
    bool is_copied = write->copy != nullptr;
    const uint8_t *data = is_copied ? write->copy->payload : write->lent->bytes;
    size_t given = give(stream, data + write->offset, write->remaining, is_copied ? TCP_WRITE_FLAG_COPY : 0);
    if (!is_copied && given > 0) {
        lent_set_add(&stream->sending.lent, write->lent);
    }
    write->offset += given;
    write->remaining -= given;
    if (write->remaining == 0) {
        remove_first_write(stream);
    }
    return given;
}

static void give_all(struct tcp_stream *stream) {
    size_t given = 1;
    while (stream->sending.write_count > 0 && given > 0) {
        given = give_first(stream);
    }
}

static void pause(struct tcp_stream *stream) {
    struct tcp_sending *sending = &stream->sending;
    bool is_full = sending->write_count > WRITES_MAX - WRITES_PER_MESSAGE;
    if (is_full != sending->is_paused && stream->channel.handle != HANDLE_INVALID) {
        sending->is_paused = is_full;
        (void) channel_pause(stream->channel, is_full); // it is attached
    }
}

// The FIN gets a segment of its own, so that once the last byte is acknowledged nothing of it can be sent again.
static void finish(struct tcp_stream *stream) {
    struct tcp_sending *sending = &stream->sending;
    bool is_due = sending->is_finishing && !sending->is_finished && sending->write_count == 0;
    if (is_due && stream->pcb->unsent == nullptr) {
        // Without memory lwIP sends it later by itself.
        sending->is_finished = tcp_shutdown(stream->pcb, 0, 1) == ERR_OK;
    }
}

void tcp_send_more(struct tcp_stream *stream) {
    if (stream->pcb == nullptr) {
        return;
    }
    give_all(stream);
    pause(stream);
    tcp_output(stream->pcb); // what fails is sent again by the clock
    finish(stream);
}

static status_t queue(struct tcp_stream *stream, struct tcp_write write) {
    struct tcp_sending *sending = &stream->sending;
    if (sending->is_finishing || sending->write_count == WRITES_MAX) {
        return ERR_STATE;
    }
    if (sending->write_count == 0 && sending->given == sending->acknowledged) {
        sending->progress = tcp_ticks;
    }
    sending->writes[sending->write_count++] = write;
    return OK;
}

status_t tcp_send_bytes(struct tcp_stream *stream, bytes_t bytes) {
    struct tcp_sending *sending = &stream->sending;
    bool is_next = sending->write_count == 0 && !sending->is_finishing && stream->pcb != nullptr;
    size_t given = is_next && bytes.len > 0 ? give(stream, bytes.ptr, bytes.len, TCP_WRITE_FLAG_COPY) : 0;
    if (given == bytes.len) {
        return sending->is_finishing ? ERR_STATE : OK;
    }
    struct pbuf *copy = pbuf_alloc(PBUF_RAW, (uint16_t) (bytes.len - given), PBUF_RAM);
    if (copy == nullptr) {
        return ERR_NO_MEMORY;
    }
    status_t status = mem_copy(copy->payload, copy->len, bytes.ptr + given, bytes.len - given);
    if (status == OK) {
        status = queue(stream, (struct tcp_write) {.copy = copy, .remaining = (uint32_t) (bytes.len - given)});
    }
    if (status != OK) {
        pbuf_free(copy);
    }
    return status;
}

status_t tcp_send_lent(struct tcp_stream *stream, struct lent *lent, uint32_t offset, uint32_t size) {
    if (offset > lent->size || size > lent->size - offset) {
        return ERR_INVALID_ARGUMENT;
    }
    if (size == 0) {
        return OK;
    }
    TRY(queue(stream, (struct tcp_write) {.lent = lent, .offset = offset, .remaining = size}));
    lending_retain(lent);
    return OK;
}

// --- Progress ---

void tcp_send_tell(struct tcp_stream *stream) {
    struct tcp_sending *sending = &stream->sending;
    bool is_drained = sending->write_count == 0 && sending->given == sending->acknowledged;
    if (sending->owes_drained && is_drained && stream->channel.handle != HANDLE_INVALID) {
        sending->owes_drained = stream_drained_send(stream->channel) != OK;
    }
}

void tcp_send_acknowledged(struct tcp_stream *stream, uint16_t size) {
    struct tcp_sending *sending = &stream->sending;
    sending->acknowledged += size;
    sending->progress = tcp_ticks;
    if (sending->acknowledged == sending->given) {
        lent_set_clear(&sending->lent); // lwIP has none of it any more
    }
    if (sending->write_count > 0 || sending->is_finishing) {
        tcp_send_more(stream);
    }
    tcp_send_tell(stream);
}

bool tcp_send_is_stalled(const struct tcp_stream *stream) {
    const struct tcp_sending *sending = &stream->sending;
    bool is_waiting = sending->write_count > 0 || sending->given != sending->acknowledged;
    return is_waiting && tcp_ticks - sending->progress > STALL_TICKS;
}

bool tcp_send_is_complete(const struct tcp_stream *stream) {
    return stream->sending.is_finished && stream->sending.given == stream->sending.acknowledged;
}

void tcp_send_drop(struct tcp_stream *stream) {
    while (stream->sending.write_count > 0) {
        remove_first_write(stream);
    }
    lent_set_clear(&stream->sending.lent);
}
