// Frames to send: headers and small writes are copied into buffers; what clients have lent the device reads where it lies.
//
// A buffer that comes back tells that the device is through with the frame that began in it, and with what that referred to.
#include <lwip/pbuf.h>

#include "copy.h"
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
        under_way[buffer - FRAME_HALF].lent_parts = 0;
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

size_t transmit_room(void) {
    return free_count;
}

bool transmit_has_lent(void) {
    return lent_parts > 0;
}

// --- What a packet is made of ---

// Bytes of it that follow one another: in something that was lent, or to be copied.
struct run {
    struct lent *lent; // nullptr: to be copied
    uint32_t offset;   // in what was lent
    uint32_t length;
};

struct plan {
    struct run runs[FRAME_PARTS_MAX];
    size_t run_count;
    size_t buffers, lent_parts;
};

static uint32_t offset_in(const struct lent *lent, const struct pbuf *part) {
    return (uint32_t) ((const uint8_t *) part->payload - lent->bytes);
}

// Only what lwIP refers to can be lent. Its own data it keeps behind the headers or in packets of their own.
static struct lent *lent_of(const struct pbuf *part) {
    struct lent *lent =
        (part->type_internal & PBUF_TYPE_FLAG_STRUCT_DATA_CONTIGUOUS) == 0 ? lending_at(part->payload) : nullptr;
    bool is_readable = lent != nullptr && lent->device != 0 && part->len <= lent->size - offset_in(lent, part);
    return is_readable ? lent : nullptr; // lwIP joins what follows one another in memory, even in two mappings
}

static size_t buffers_for(size_t length) {
    return (length + FRAME_ROOM - 1) / FRAME_ROOM;
}

// Begins another run, or makes the last one longer. False: there are too many.
static bool add_run(struct plan *plan, const struct pbuf *part) {
    struct lent *lent = plan->run_count > 0 ? lent_of(part) : nullptr; // the device's own header goes in front of the first
    struct run *last = plan->run_count > 0 ? &plan->runs[plan->run_count - 1] : nullptr;
    if (last != nullptr && last->lent == nullptr && lent == nullptr) {
        last->length += part->len;
        return true;
    }
    if (plan->run_count == FRAME_PARTS_MAX) {
        return false;
    }
    plan->runs[plan->run_count++] = (struct run) {lent, lent != nullptr ? offset_in(lent, part) : 0, part->len};
    return true;
}

static void count_parts(struct plan *plan) {
    plan->buffers = plan->lent_parts = 0;
    for (size_t i = 0; i < plan->run_count; i++) {
        if (plan->runs[i].lent != nullptr) {
            plan->lent_parts++;
        } else {
            plan->buffers += buffers_for(plan->runs[i].length);
        }
    }
}

// What is in too many pieces for a frame's parts is copied as a whole.
static void make_plan(struct plan *plan, const struct pbuf *packet) {
    bool fits = true;
    plan->run_count = 0;
    for (const struct pbuf *part = packet; part != nullptr && fits; part = part->next) {
        fits = part->len == 0 || add_run(plan, part);
    }
    count_parts(plan);
    if (!fits || plan->buffers + plan->lent_parts > FRAME_PARTS_MAX) {
        plan->runs[0] = (struct run) {nullptr, 0, packet->tot_len};
        plan->run_count = 1;
        count_parts(plan);
    }
}

// --- Giving it to the driver ---

struct giving {
    struct packet_cursor at; // the bytes that come next
    size_t parts_left;
    uint8_t flags; // of the next part
};

static uint8_t take_flags(struct giving *giving) {
    uint8_t flags = giving->flags | (--giving->parts_left > 0 ? FRAME_MORE : 0);
    giving->flags = 0;
    return flags;
}

// All frames' parts of this end are at most as many as the ring's slots, which frame_give counts on; buffers are free.
static void give_copied(struct giving *giving, size_t length) {
    for (size_t size; length > 0; length -= size) {
        size = length < FRAME_ROOM ? length : FRAME_ROOM;
        struct frame part = {free_buffers[--free_count], FRAME_HEADROOM, (uint16_t) size, take_flags(giving), 0};
        packet_copy_next(&giving->at, frame_data(end, part), size);
        (void) !frame_give(end, FRAME_TRANSMIT, part); // it was held
    }
}

static void give_lent(struct giving *giving, const struct run *run) {
    struct frame part = frame_of_lent(run->lent->device, run->offset, (uint16_t) run->length, take_flags(giving));
    (void) !frame_give(end, FRAME_TRANSMIT, part); // it needs no buffer
    packet_skip_part(&giving->at);
}

static void give_plan(const struct plan *plan, const struct pbuf *packet, uint8_t flags, struct frame_offload offload) {
    uint16_t first = free_buffers[free_count - 1];
    struct giving giving = {{packet, 0}, plan->buffers + plan->lent_parts, flags};
    if (flags != 0) {
        frame_write_offload(end, (struct frame) {.buffer = first}, offload);
    }
    for (size_t i = 0; i < plan->run_count; i++) {
        const struct run *run = &plan->runs[i];
        if (run->lent == nullptr) {
            give_copied(&giving, run->length);
        } else {
            give_lent(&giving, run);
            lent_set_add(&under_way[first - FRAME_HALF].lent, run->lent);
        }
    }
    under_way[first - FRAME_HALF].lent_parts = (uint8_t) plan->lent_parts;
    lent_parts += plan->lent_parts;
}

status_t transmit_packet(const struct pbuf *packet, uint8_t flags, struct frame_offload offload) {
    struct plan plan;
    make_plan(&plan, packet);
    size_t parts_under_way = FRAME_HALF - free_count + lent_parts;
    bool has_slots = parts_under_way + plan.buffers + plan.lent_parts <= FRAME_RING_SIZE;
    if (plan.buffers > free_count || !has_slots) {
        return ERR_FULL;
    }
    give_plan(&plan, packet, flags, offload);
    return OK;
}
