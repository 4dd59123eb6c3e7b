// A queue of small messages in memory that two components share: the producer puts them in, the consumer takes them out.
//
// It is two rings that pass the same slots around: full ones one way, empty ones back. Neither side trusts the other:
// each keeps its positions to itself, reads every shared field once and checks it. docs/rings.md describes the protocol.
#pragma once

#include <ring/ring.h>
#include <starina/types.h>

enum {
    QUEUE_MESSAGE_SIZE = 64,
    QUEUE_WORDS = QUEUE_MESSAGE_SIZE / sizeof(uint64_t),
    QUEUE_LENGTH_MAX = 32768, // messages that it holds
};

struct queue_memory {
    struct ring sent;  // how many messages were ever put in
    struct ring taken; // how many of them were ever taken out
    alignas(64) _Atomic uint64_t slots[][QUEUE_WORDS];
};

enum queue_side : uint32_t { QUEUE_PRODUCER = 1, QUEUE_CONSUMER = 2 };

// One side's end. Private to it. A slot is this side's from when it comes in until it is published. Zeroed: neither side's,
// so that nothing can be put in or taken: ERR_INVALID_ARGUMENT.
struct queue {
    struct queue_memory *memory;
    enum queue_side side;
    uint32_t mask;                   // a slot's number from a position
    uint32_t ahead;                  // how far the other side may be ahead of what this side published
    struct ring *in, *out;           // by which slots come to this side, and leave it
    struct ring_end in_end, out_end; // move together: the next slot to come is also the next to leave
    uint64_t faults;                 // what the other side claimed and can't be
};

// --- A queue in a folio ---

// Makes a queue of `length` messages, a power of two, and this side's end of it. The folio is the caller's, to be handed
// to the other side, which joins with the same length.
status_t queue_create(struct queue *queue, enum queue_side side, uint32_t length, folio_t *out_folio);

// The folio stays the caller's and may be closed. ERR_MALFORMED: too small for so many messages
status_t queue_join(struct queue *queue, enum queue_side side, uint32_t length, folio_t folio);

void queue_close(struct queue *queue); // harmless if it was never made

// --- A queue in any memory ---

static inline size_t queue_size(uint32_t length) {
    return sizeof(struct queue_memory) + (size_t) length * QUEUE_MESSAGE_SIZE;
}

// Puts the shared part in order, before the other side can see it. `start` is 0 but in tests.
void queue_reset(struct queue_memory *memory, uint32_t start);

void queue_begin(struct queue *queue, struct queue_memory *memory, enum queue_side side, uint32_t length, uint32_t start);

// --- Messages ---

// The slot that comes next to this side, for queue_put and queue_take.
status_t queue_next_slot(struct queue *queue, enum queue_side side, _Atomic uint64_t **out_slot);

// Of a message of `size` bytes, how many lie in the word that begins at `at`, which is less.
static inline size_t queue_bytes_at(size_t size, size_t at) {
    return size - at < sizeof(uint64_t) ? size - at : sizeof(uint64_t);
}

// Producer: puts a message of `size` bytes in; the other side sees it after queue_publish. ERR_FULL: no slot is empty;
// ERR_TOO_LARGE: over QUEUE_MESSAGE_SIZE; ERR_MALFORMED: the other side broke the protocol, and nothing more should be
// expected from it
static inline status_t queue_put(struct queue *queue, const void *message, size_t size) {
    _Atomic uint64_t *slot;
    if (size > QUEUE_MESSAGE_SIZE) {
        return ERR_TOO_LARGE;
    }
    status_t status = queue_next_slot(queue, QUEUE_PRODUCER, &slot);
    if (status != OK) {
        return status == ERR_EMPTY ? ERR_FULL : status;
    }
    for (size_t at = 0; at < QUEUE_MESSAGE_SIZE; at += sizeof(uint64_t)) {
        uint64_t word = 0;
        if (at < size) {
            __builtin_memcpy(&word, (const uint8_t *) message + at, queue_bytes_at(size, at));
        }
        atomic_store_explicit(&slot[at / sizeof(word)], word, memory_order_relaxed);
    }
    return OK;
}

// Consumer: takes the first `size` bytes of the next message, a copy that the other side can't change any more; what it did
// not fill is 0. Between two queue_publish at most as many messages come as the queue is long. ERR_EMPTY: none;
// ERR_TOO_LARGE, ERR_MALFORMED: as above
static inline status_t queue_take(struct queue *queue, void *out_message, size_t size) {
    _Atomic uint64_t *slot;
    if (size > QUEUE_MESSAGE_SIZE) {
        return ERR_TOO_LARGE;
    }
    TRY(queue_next_slot(queue, QUEUE_CONSUMER, &slot));
    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        uint64_t word = atomic_load_explicit(&slot[at / sizeof(word)], memory_order_relaxed);
        __builtin_memcpy((uint8_t *) out_message + at, &word, queue_bytes_at(size, at));
    }
    return OK;
}

// Shows what was put in, or that slots are empty again. True: the other side sleeps and must be told.
static inline bool queue_publish(struct queue *queue) {
    return ring_publish(queue->out, &queue->out_end);
}

// Says that this side wants to be told when the next slot comes: a message, or room for one. False: there is one already,
// so it must not sleep. What this side did must be published before.
static inline bool queue_sleep(struct queue *queue) {
    return ring_sleep(queue->in, &queue->in_end);
}
