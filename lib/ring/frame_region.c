// Moves frames through the rings of a frame region, and checks whatever the other side wrote there.
#include <ring/frame_region.h>

enum : uint32_t { RING_MASK = FRAME_RING_SIZE - 1 };
static_assert((FRAME_RING_SIZE & RING_MASK) == 0 && FRAME_RING_SIZE >= FRAME_HALF);

static uint64_t frame_pack(struct frame frame) {
    return frame.buffer | (uint64_t) frame.offset << 16 | (uint64_t) frame.length << 32 | (uint64_t) frame.flags << 48 |
           (uint64_t) frame.lent << 56;
}

static struct frame frame_unpack(uint64_t slot) {
    return (struct frame) {(uint16_t) slot, (uint16_t) (slot >> 16), (uint16_t) (slot >> 32), (uint8_t) (slot >> 48),
                           (uint8_t) (slot >> 56)};
}

static bool is_returning(enum frame_ring_name ring) {
    return ring == FRAME_RECEIVE_RETURNED || ring == FRAME_TRANSMITTED;
}

static bool is_in_half(enum frame_ring_name ring, uint16_t buffer) {
    bool receives = ring == FRAME_RECEIVED || ring == FRAME_RECEIVE_RETURNED;
    return receives ? buffer < FRAME_HALF : buffer >= FRAME_HALF && buffer < FRAME_BUFFERS;
}

static uint8_t flags_of(enum frame_ring_name ring) {
    return ring == FRAME_TRANSMIT ? FRAME_MORE | FRAME_CHECKSUM_NEEDED | FRAME_SEGMENTS_NEEDED
                                  : FRAME_MORE | FRAME_CHECKSUM_CORRECT;
}

void frame_begin(struct frame_end *end, struct frame_region *region, enum frame_side side, uint32_t start) {
    *end = (struct frame_end) {.region = region, .side = side};
    for (unsigned ring = 0; ring < FRAME_RING_COUNT; ring++) {
        end->rings[ring].position = end->rings[ring].limit = start;
        if (side == FRAME_DRIVER) {
            ring_reset(&region->rings[ring].ring, start);
        }
    }
    for (unsigned buffer = 0; buffer < FRAME_BUFFERS; buffer++) {
        end->is_held[buffer] = (side == FRAME_DRIVER) == (buffer < FRAME_HALF);
    }
}

static status_t look_for_more(struct frame_end *end, enum frame_ring_name ring) {
    status_t status = ring_look(&end->region->rings[ring].ring, &end->rings[ring], FRAME_RING_SIZE);
    end->faults.positions += status == ERR_MALFORMED;
    return status;
}

static bool is_lent_part(enum frame_ring_name ring, const struct frame *part) {
    return ring == FRAME_TRANSMIT && part->lent != 0;
}

static status_t check_lent_part(struct frame_end *end, const struct frame *part) {
    uint32_t size = part->lent <= FRAME_LENT_MAX ? end->lent_sizes[part->lent] : 0, offset = frame_lent_offset(*part);
    if (size == 0 || offset > size || part->length > size - offset || (part->flags & ~FRAME_MORE) != 0) {
        end->faults.ranges++;
        return ERR_MALFORMED;
    }
    return OK;
}

static status_t check_frame(struct frame_end *end, enum frame_ring_name ring, const struct frame *frame) {
    if (!is_in_half(ring, frame->buffer) || end->is_held[frame->buffer]) {
        end->faults.buffers++;
        return ERR_MALFORMED;
    }
    uint32_t headroom = ring == FRAME_TRANSMIT ? FRAME_HEADROOM : 0;
    bool is_inside = frame->offset >= headroom && (uint32_t) frame->offset + frame->length <= FRAME_BUFFER_SIZE;
    if (!is_returning(ring) && (!is_inside || (frame->flags & ~flags_of(ring)) != 0 || frame->lent != 0)) {
        end->faults.ranges++;
        return ERR_MALFORMED;
    }
    return OK;
}

status_t frame_take(struct frame_end *end, enum frame_ring_name ring, struct frame *out_frame) {
    uint32_t position = end->rings[ring].position;
    if (position == end->rings[ring].limit) {
        TRY(look_for_more(end, ring));
    }
    _Atomic uint64_t *slot = &end->region->rings[ring].slots[position & RING_MASK];
    struct frame frame = frame_unpack(atomic_load_explicit(slot, memory_order_relaxed));
    end->rings[ring].position = position + 1;
    if (is_lent_part(ring, &frame)) {
        TRY(check_lent_part(end, &frame));
        *out_frame = frame;
        return OK;
    }
    TRY(check_frame(end, ring, &frame));
    end->is_held[frame.buffer] = true;
    *out_frame = is_returning(ring) ? (struct frame) {.buffer = frame.buffer, .offset = FRAME_HEADROOM} : frame;
    return OK;
}

// The slot is free without looking: each buffer of the half is in at most one slot, and the ring has one for each. Lent parts
// the client counts.
status_t frame_give(struct frame_end *end, enum frame_ring_name ring, struct frame frame) {
    if (!is_lent_part(ring, &frame)) {
        if (!is_in_half(ring, frame.buffer) || !end->is_held[frame.buffer]) {
            return ERR_INVALID_ARGUMENT;
        }
        end->is_held[frame.buffer] = false;
    }
    uint32_t position = end->rings[ring].position++;
    _Atomic uint64_t *slot = &end->region->rings[ring].slots[position & RING_MASK];
    atomic_store_explicit(slot, frame_pack(frame), memory_order_relaxed);
    return OK;
}

bool frame_publish(struct frame_end *end, enum frame_ring_name ring) {
    return ring_publish(&end->region->rings[ring].ring, &end->rings[ring]);
}

bool frame_sleep(struct frame_end *end, enum frame_ring_name ring) {
    return ring_sleep(&end->region->rings[ring].ring, &end->rings[ring]);
}

static _Atomic uint64_t *offload_slot(const struct frame_end *end, struct frame frame) {
    return (_Atomic uint64_t *) (void *) end->region->buffers[frame.buffer];
}

void frame_write_offload(const struct frame_end *end, struct frame frame, struct frame_offload offload) {
    uint64_t word;
    __builtin_memcpy(&word, &offload, sizeof(word));
    atomic_store_explicit(offload_slot(end, frame), word, memory_order_relaxed);
}

struct frame_offload frame_read_offload(const struct frame_end *end, struct frame frame) {
    struct frame_offload offload;
    uint64_t word = atomic_load_explicit(offload_slot(end, frame), memory_order_relaxed);
    __builtin_memcpy(&offload, &word, sizeof(offload));
    return offload;
}
