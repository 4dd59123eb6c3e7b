// From the remote end to the client: bytes go into the client's queue at once; what it has no room for is kept here.
//
// The remote end is told of room only for what the client's queue has taken, so that at most a window is kept for each
// connection. All connections share the memory; one that keeps more than is left for all others is reset.
#include "tcp_stream.h"

#include "stream.h"

enum : size_t { CHUNK_DATA_SIZE = 2 * STREAM_DATA_DATA_MAX, CHUNKS_MAX = 1024 };

struct tcp_chunk {
    struct tcp_chunk *next;
    uint16_t begin, end; // of the bytes that are kept
    uint8_t data[CHUNK_DATA_SIZE];
};

static struct tcp_chunk chunks[CHUNKS_MAX];
static struct tcp_chunk *free_chunks;
static size_t used_chunks, fresh_chunks; // those from fresh_chunks on were never touched

static struct tcp_chunk *chunk_append(struct tcp_receiving *receiving) {
    if (receiving->chunk_count > CHUNKS_MAX - used_chunks || used_chunks == CHUNKS_MAX) {
        return nullptr;
    }
    struct tcp_chunk *chunk = free_chunks;
    if (chunk != nullptr) {
        free_chunks = chunk->next;
    } else {
        chunk = &chunks[fresh_chunks++];
    }
    chunk->next = nullptr;
    chunk->begin = chunk->end = 0;
    *(receiving->first == nullptr ? &receiving->first : &receiving->last->next) = chunk;
    receiving->last = chunk;
    receiving->chunk_count++;
    used_chunks++;
    return chunk;
}

static void chunk_remove_first(struct tcp_receiving *receiving) {
    struct tcp_chunk *chunk = receiving->first;
    receiving->first = chunk->next;
    chunk->next = free_chunks;
    free_chunks = chunk;
    receiving->chunk_count--;
    used_chunks--;
}

static status_t keep(struct tcp_receiving *receiving, bytes_t bytes) {
    while (bytes.len > 0) {
        struct tcp_chunk *chunk = receiving->first != nullptr ? receiving->last : nullptr;
        if ((chunk == nullptr || chunk->end == CHUNK_DATA_SIZE) && (chunk = chunk_append(receiving)) == nullptr) {
            return ERR_LIMIT;
        }
        size_t room = CHUNK_DATA_SIZE - chunk->end;
        size_t size = bytes.len < room ? bytes.len : room;
        TRY(mem_copy(chunk->data + chunk->end, room, bytes.ptr, size));
        chunk->end += (uint16_t) size;
        bytes = (bytes_t) {bytes.ptr + size, bytes.len - size};
    }
    return OK;
}

// Sends what the client's queue has room for. Returns how much that was.
static size_t deliver(const struct tcp_stream *stream, bytes_t bytes) {
    size_t delivered = 0;
    while (delivered < bytes.len) {
        size_t size = bytes.len - delivered;
        size = size < STREAM_DATA_DATA_MAX ? size : STREAM_DATA_DATA_MAX;
        const struct stream_data event = {.data = {bytes.ptr + delivered, size}};
        if (stream_data_send(stream->channel, &event) != OK) {
            break; // full: it tells when there is room. Closed: it tells that, too
        }
        delivered += size;
    }
    return delivered;
}

static void give_room(const struct tcp_stream *stream, size_t size) {
    if (stream->pcb != nullptr && size > 0) {
        tcp_recved(stream->pcb, (uint16_t) size);
    }
}

bool tcp_receive_take(struct tcp_stream *stream, struct pbuf *packet) {
    struct tcp_receiving *receiving = &stream->receiving;
    size_t delivered = 0;
    status_t status = OK;
    for (struct pbuf *part = packet; part != nullptr && status == OK; part = part->next) {
        bytes_t bytes = {part->payload, part->len};
        bool is_next = receiving->first == nullptr && stream->channel.handle != HANDLE_INVALID;
        size_t size = is_next ? deliver(stream, bytes) : 0;
        delivered += size;
        status = keep(receiving, (bytes_t) {bytes.ptr + size, bytes.len - size});
    }
    pbuf_free(packet);
    give_room(stream, delivered);
    return status == OK;
}

static void tell_finished(struct tcp_stream *stream) {
    struct tcp_receiving *receiving = &stream->receiving;
    bool is_due = receiving->owes_finished && receiving->first == nullptr;
    if (is_due && stream->channel.handle != HANDLE_INVALID && stream_finished_send(stream->channel) == OK) {
        receiving->owes_finished = false;
    }
}

void tcp_receive_finish(struct tcp_stream *stream) {
    stream->receiving.is_finished = stream->receiving.owes_finished = true;
    tell_finished(stream);
}

void tcp_receive_tell(struct tcp_stream *stream) {
    struct tcp_receiving *receiving = &stream->receiving;
    size_t delivered = 0;
    while (receiving->first != nullptr) {
        struct tcp_chunk *chunk = receiving->first;
        size_t kept = (size_t) (chunk->end - chunk->begin);
        size_t size = deliver(stream, (bytes_t) {chunk->data + chunk->begin, kept});
        chunk->begin += (uint16_t) size;
        delivered += size;
        if (size < kept) {
            break;
        }
        chunk_remove_first(receiving);
    }
    give_room(stream, delivered);
    tell_finished(stream);
}

void tcp_receive_drop(struct tcp_stream *stream) {
    size_t dropped = 0;
    while (stream->receiving.first != nullptr) {
        dropped += (size_t) (stream->receiving.first->end - stream->receiving.first->begin);
        chunk_remove_first(&stream->receiving);
    }
    give_room(stream, dropped);
}
