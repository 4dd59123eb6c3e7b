// Frames to send: headers and small writes are copied into buffers; what clients have lent the device reads where it lies.
//
// A buffer that comes back tells that the device is through with the frame that began in it, and with what that referred to.
#include <lwip/pbuf.h>

#include "checksum.h"
#include "transmit.h"

#include <lending/lending.h>
#include <starina/component.h>

static struct frame_end *end;
static uint16_t free_buffers[FRAME_HALF]; // a stack of them
static uint16_t free_count;
static size_t lent_parts; // under way

// Of the frame that begins in a buffer, while it is under way.
static struct {
    lent_set_t lent;
    uint8_t lent_parts;
} under_way[FRAME_HALF];

uint64_t transmit_copied;

void transmit_begin(struct frame_end *begun) {
    end = begun;
    for (free_count = 0; free_count < FRAME_HALF; free_count++) {
        free_buffers[free_count] = (uint16_t) (FRAME_HALF + free_count);
        lent_set_clear(&under_way[free_count].lent);
        under_way[free_count].lent_parts = 0;
    }
    lent_parts = 0;
}

static void buffer_back(uint16_t buffer) {
    free_buffers[free_count++] = buffer;
    if (under_way[buffer - FRAME_HALF].lent != 0) {
        lent_parts -= under_way[buffer - FRAME_HALF].lent_parts;
        lent_set_clear(&under_way[buffer - FRAME_HALF].lent);
    }
}

status_t transmit_collect(void) {
    struct frame frame;
    status_t status;
    while ((status = frame_take(end, FRAME_TRANSMITTED, &frame)) == OK) {
        buffer_back(frame.buffer);
    }
    return status == ERR_EMPTY ? OK : status;
}

// The ring has as many slots as parts may be under way: frame_give counts on that.
bool transmit_has_room(size_t parts) {
    return free_count >= parts && FRAME_HALF - free_count + lent_parts + parts <= FRAME_RING_SIZE;
}

bool transmit_has_lent(void) {
    return lent_parts > 0;
}

// --- Building a frame ---

void transmit_build(struct building *frame, size_t parts_max) {
    frame->count = frame->lent_count = frame->room = 0;
    frame->limit = parts_max;
    frame->lent = frame->sum = 0;
    frame->is_odd = frame->wants_sum = false;
}

static void add_part(struct building *frame, struct frame part) {
    if (frame->count > 0) {
        frame->parts[frame->count - 1].flags |= FRAME_MORE;
    }
    frame->parts[frame->count++] = part;
}

static void begin_buffer(struct building *frame) {
    struct frame part = {.buffer = free_buffers[--free_count], .offset = FRAME_HEADROOM};
    frame->to = frame_data(end, part);
    frame->room = FRAME_ROOM;
    add_part(frame, part);
}

static uint8_t *take_room(struct building *frame, size_t size) {
    uint8_t *to = frame->to;
    frame->to += size;
    frame->room -= size;
    frame->parts[frame->count - 1].length += (uint16_t) size;
    return to;
}

uint8_t *transmit_headers(struct building *frame, size_t size) {
    begin_buffer(frame);
    return take_room(frame, size);
}

static void copy(struct building *frame, const uint8_t *bytes, size_t size) {
    transmit_copied += size;
    for (size_t piece; size > 0; bytes += piece, size -= piece) {
        if (frame->room == 0) {
            begin_buffer(frame);
        }
        piece = size < frame->room ? size : frame->room;
        packet_copy(take_room(frame, piece), bytes, piece);
    }
}

// What lwIP refers to may be in something that was lent; its own data it keeps in packets of its own. It joins what follows
// one another in memory, even in two mappings.
static struct lent *lent_of(const struct pbuf *part, const uint8_t *bytes, size_t size) {
    bool is_referred = (part->type_internal & PBUF_TYPE_FLAG_STRUCT_DATA_CONTIGUOUS) == 0;
    struct lent *lent = is_referred ? lending_at(bytes) : nullptr;
    bool is_readable = lent != nullptr && lent->device != 0 && size <= lent->size - (size_t) (bytes - lent->bytes);
    return is_readable ? lent : nullptr;
}

// One part more must leave enough to copy what comes behind it.
static bool has_part_left(const struct building *frame, size_t size_behind) {
    return frame->count + 1 + (size_behind + FRAME_ROOM - 1) / FRAME_ROOM <= frame->limit;
}

static void refer(struct building *frame, struct lent *lent, const uint8_t *bytes, size_t size) {
    add_part(frame, frame_of_lent(lent->device, (uint32_t) (bytes - lent->bytes), (uint16_t) size, 0));
    frame->lent_count++;
    frame->room = 0; // what comes next needs a buffer of its own
    lent_set_add(&frame->lent, lent);
}

static void add_sum(struct building *frame, const uint8_t *bytes, size_t size) {
    uint64_t sum = checksum_of(bytes, size);
    frame->sum = checksum_add(frame->sum, frame->is_odd ? checksum_shift(sum) : sum);
    frame->is_odd ^= size % 2 != 0;
}

void transmit_bytes(struct building *frame, struct packet_cursor *at, size_t size) {
    while (size > 0) {
        size_t left = at->part->len - at->position, piece = left < size ? left : size;
        const uint8_t *bytes = (const uint8_t *) at->part->payload + at->position;
        if (left == 0) {
            *at = (struct packet_cursor) {at->part->next, 0};
            continue;
        }
        size -= piece;
        struct lent *lent = has_part_left(frame, size) ? lent_of(at->part, bytes, piece) : nullptr;
        if (lent != nullptr) {
            refer(frame, lent, bytes, piece);
        } else {
            copy(frame, bytes, piece);
        }
        if (frame->wants_sum) {
            add_sum(frame, bytes, piece);
        }
        at->position += piece;
    }
}

void transmit_give(struct building *frame, uint8_t flags, struct frame_offload offload) {
    uint16_t first = frame->parts[0].buffer - FRAME_HALF;
    if (flags != 0) {
        frame_write_offload(end, frame->parts[0], offload);
    }
    frame->parts[0].flags |= flags;
    for (size_t i = 0; i < frame->count; i++) {
        (void) !frame_give(end, FRAME_TRANSMIT, frame->parts[i]); // its buffer was held
    }
    under_way[first].lent = frame->lent;
    under_way[first].lent_parts = (uint8_t) frame->lent_count;
    lent_parts += frame->lent_count;
}
