// From the client to the remote end: small writes are copied, folios are sent from where they lie.
//
// lwIP takes what its send buffer has room for. The rest of a write waits here, then one more, then the client's
// channel: the client finds its queue full.
#include <lwip/priv/tcp_priv.h>

#include "heap.h"
#include "tcp_segment.h"
#include "tcp_stream.h"

#include "stream.h"

enum : size_t {
    WINDOW_SIZE = 256 * 1024, // of a folio that is mapped at a time
    STEP_SEGMENTS = 16,       // given to lwIP at a time: it takes all of them or nothing
    FOLIO_WRITE_MAX = 1024 * 1024 * 1024,
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
    if (write->folio.handle != HANDLE_INVALID) {
        (void) handle_close(write->folio.handle);
    }
    sending->writes[0] = sending->writes[1];
    sending->writes[1] = (struct tcp_write) {};
    sending->write_count--;
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
    sending->end_sequence = stream->pcb->snd_lbb;
    return step;
}

// --- Folios ---

// The window that the write goes on in. nullptr with OK: it must wait until the remote end has an earlier one.
static status_t current_window(struct tcp_stream *stream, struct tcp_write *write, struct tcp_window **out_window) {
    struct tcp_sending *sending = &stream->sending;
    struct tcp_window *last = sending->window_count > 0 ? &sending->windows[sending->window_count - 1] : nullptr;
    *out_window = nullptr;
    if (last != nullptr && last->given < last->size) {
        *out_window = last;
        return OK;
    }
    if (sending->window_count == WINDOWS_MAX) {
        return OK;
    }
    struct tcp_window *window = &sending->windows[sending->window_count];
    uint64_t skipped = write->offset % PAGE_SIZE, size = write->remaining + skipped;
    *window = (struct tcp_window) {.size = size < WINDOW_SIZE ? size : WINDOW_SIZE, .given = skipped};
    TRY(vmspace_map(write->folio, write->offset - skipped, window->size, MAP_READ, &window->address));
    sending->window_count++;
    *out_window = window;
    return OK;
}

static status_t give_folio(struct tcp_stream *stream, struct tcp_write *write, size_t *out_given) {
    struct tcp_window *window;
    *out_given = 0;
    TRY(current_window(stream, write, &window));
    if (window != nullptr) {
        const uint8_t *data = (const uint8_t *) (uintptr_t) (window->address + window->given);
        *out_given = give(stream, data, window->size - window->given, 0);
        window->given += *out_given;
        window->end = stream->sending.given;
    }
    return OK;
}

// How many of the stream's last bytes lwIP has from the beginning of this segment on.
static uint32_t held_from(const struct tcp_sending *sending, const struct tcp_seg *segment) {
    int32_t held = segment != nullptr ? (int32_t) (sending->end_sequence - lwip_ntohl(segment->tcphdr->seqno)) : 0;
    return held > 0 ? (uint32_t) held : 0;
}

// Up to where lwIP has let go of the bytes. A segment of which a part was acknowledged may be sent again as a whole.
static uint64_t released_position(const struct tcp_stream *stream) {
    const struct tcp_sending *sending = &stream->sending;
    uint32_t unacknowledged = held_from(sending, stream->pcb->unacked);
    uint32_t unsent = held_from(sending, stream->pcb->unsent); // may hold earlier ones, to be sent again
    return sending->given - (unacknowledged > unsent ? unacknowledged : unsent);
}

static void release_windows(struct tcp_stream *stream) {
    struct tcp_sending *sending = &stream->sending;
    uint64_t released = sending->window_count > 0 ? released_position(stream) : 0;
    unsigned done = 0;
    while (done < sending->window_count && sending->windows[done].given == sending->windows[done].size &&
           sending->windows[done].end <= released) {
        (void) vmspace_unmap(sending->windows[done++].address);
    }
    sending->window_count -= done;
    for (unsigned i = 0; done != 0 && i < sending->window_count; i++) {
        sending->windows[i] = sending->windows[i + done];
    }
}

// --- The queue of writes ---

static status_t give_first(struct tcp_stream *stream, size_t *out_given) {
    struct tcp_write *write = first_write(stream);
    if (write->copy == nullptr) {
        TRY(give_folio(stream, write, out_given));
    } else {
        const uint8_t *data = (const uint8_t *) write->copy->payload + write->offset;
        *out_given = give(stream, data, write->remaining, TCP_WRITE_FLAG_COPY);
    }
    write->offset += *out_given;
    write->remaining -= *out_given;
    if (write->remaining == 0) {
        remove_first_write(stream);
    }
    return OK;
}

static status_t give_all(struct tcp_stream *stream) {
    size_t given = 1;
    while (stream->sending.write_count > 0 && given > 0) {
        TRY(give_first(stream, &given));
    }
    return OK;
}

static void pause(struct tcp_stream *stream) {
    struct tcp_sending *sending = &stream->sending;
    bool is_full = sending->write_count == WRITES_MAX;
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

bool tcp_send_more(struct tcp_stream *stream) {
    if (stream->pcb == nullptr) {
        return true;
    }
    if (give_all(stream) != OK) {
        tcp_stream_abort(stream); // a folio that can't be read
        return false;
    }
    pause(stream);
    tcp_output(stream->pcb); // what fails is sent again by the clock
    finish(stream);
    return true;
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
        status = queue(stream, (struct tcp_write) {.copy = copy, .remaining = bytes.len - given});
    }
    if (status != OK) {
        pbuf_free(copy);
    }
    return status;
}

status_t tcp_send_folio(struct tcp_stream *stream, folio_t folio, uint64_t offset, uint64_t size) {
    bool is_legal = size <= FOLIO_WRITE_MAX && offset <= UINT64_MAX - FOLIO_WRITE_MAX;
    status_t status = is_legal ? OK : ERR_INVALID_ARGUMENT;
    if (status == OK && size > 0) {
        status = queue(stream, (struct tcp_write) {.folio = folio, .offset = offset, .remaining = size});
    }
    if (status != OK || size == 0) {
        (void) handle_close(folio.handle);
    }
    return status;
}

// --- Progress ---

void tcp_send_tell(struct tcp_stream *stream) {
    struct tcp_sending *sending = &stream->sending;
    bool is_drained = sending->write_count == 0 && sending->given == sending->acknowledged;
    if (sending->owes_drained && is_drained && stream->channel.handle != HANDLE_INVALID) {
        sending->owes_drained = stream_drained_send(stream->channel) != OK;
    }
}

bool tcp_send_acknowledged(struct tcp_stream *stream, uint16_t size) {
    struct tcp_sending *sending = &stream->sending;
    sending->acknowledged += size;
    sending->progress = tcp_ticks;
    release_windows(stream);
    bool has_more = sending->write_count > 0 || sending->is_finishing;
    if (has_more && !tcp_send_more(stream)) {
        return false;
    }
    tcp_send_tell(stream);
    return true;
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
    for (unsigned i = 0; i < stream->sending.window_count; i++) {
        (void) vmspace_unmap(stream->sending.windows[i].address);
    }
    stream->sending.window_count = 0;
}
