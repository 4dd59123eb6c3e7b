// What every ring in shared memory has: how far its producer got, and whether its consumer sleeps.
//
// Neither side trusts the other: positions are private, and a shared field is read once and checked. What lies in the slots
// is up to whoever owns the ring (frame_region.h, queue.h). docs/rings.md describes the protocol.
#pragma once

#include <starina/types.h>

#include <stdatomic.h>

struct ring {
    alignas(64) _Atomic uint32_t tail;      // written by the producer: how many were ever put in, modulo 2^32
    alignas(64) _Atomic uint32_t is_asleep; // set by the consumer: wants to be told; cleared by the producer, who tells
};

// One side's end. Private to it.
struct ring_end {
    uint32_t position; // next slot to write (producer) or to read (consumer)
    uint32_t limit;    // consumer: the tail when it was last read. Producer: the published tail
};

// Puts the shared part in order, before the other side can see it.
void ring_reset(struct ring *ring, uint32_t start);

// Consumer: reads how far the producer got. ERR_EMPTY: no further than the position. ERR_MALFORMED: over `room` ahead of
// it, which can't be honest
status_t ring_look(const struct ring *ring, struct ring_end *end, uint32_t room);

// Producer: shows what was put in. True: the consumer sleeps and must be told.
bool ring_publish(struct ring *ring, struct ring_end *end);

// Consumer: says that it wants to be told. False: there is something already, so it must not sleep.
bool ring_sleep(struct ring *ring, const struct ring_end *end);

static inline bool ring_is_awaited(const struct ring *ring) {
    return atomic_load_explicit(&ring->is_asleep, memory_order_relaxed) != 0;
}
