// The memory that an ethernet driver and its client share: buffers for frames, and four rings that pass them around.
//
// Neither end trusts the other: each keeps its positions and its list of held buffers to itself, reads every shared
// field once and checks it. docs/rings.md describes the protocol.
#pragma once

#include <ring/ring.h>

enum {
    FRAME_BUFFER_SIZE = 2048,
    FRAME_HALF = 252, // buffers for receiving, and as many for sending: with the rings just within 1 MiB, one block
    FRAME_BUFFERS = 2 * FRAME_HALF,
    FRAME_RING_SIZE = 256, // at least FRAME_HALF, so that a ring never overflows; a power of two
    FRAME_HEADROOM = 64,   // before a frame: for the device's own header, so that it lies in front without copying
    FRAME_ROOM = FRAME_BUFFER_SIZE - FRAME_HEADROOM,
    FRAME_PARTS_MAX = 34, // of one frame: the largest IPv4 packet in an Ethernet frame, in buffers
    FRAME_LENT_MAX = 15,  // ranges of memory that the client has lent at a time; their numbers begin at 1
};

// Receiving uses buffers 0 to FRAME_HALF - 1, which the driver holds at first. Sending uses the others, which the
// client holds at first.
enum frame_ring_name : uint32_t {
    FRAME_RECEIVED,         // driver to client: a frame came
    FRAME_RECEIVE_RETURNED, // client to driver: the buffer may be filled again
    FRAME_TRANSMIT,         // client to driver: send this frame
    FRAME_TRANSMITTED,      // driver to client: the buffer may be used again
    FRAME_RING_COUNT,
};

// Those but FRAME_MORE stand with a frame's first part.
enum frame_flag : uint8_t {
    FRAME_MORE = 1,             // the frame goes on in the ring's next slot, which is published together with this one
    FRAME_CHECKSUM_NEEDED = 2,  // to send: struct frame_offload says of what
    FRAME_SEGMENTS_NEEDED = 4,  // to send: longer than the MTU, a TCP segment over IPv4 that the device cuts; NEEDED too
    FRAME_CHECKSUM_CORRECT = 8, // received: the device vouches for the TCP or UDP checksum, which may not be filled in
};

// A frame in a buffer, or a part of one. In the rings that return buffers only `buffer` means something. A part to send, not
// the first, may lie in what the client has lent (ethernet.lend): then the first two fields are its offset there.
struct frame {
    uint16_t buffer;
    uint16_t offset; // of the first byte in the buffer; of a frame to send FRAME_HEADROOM or more
    uint16_t length;
    uint8_t flags; // enum frame_flag
    uint8_t lent;  // 0: the part lies in a buffer
};
static_assert(sizeof(struct frame) == sizeof(uint64_t));

// What the device shall do to a frame that is sent. Lies at the beginning of its first buffer, in the headroom.
struct frame_offload {
    uint16_t checksum_start;  // from this byte of the frame to its end,
    uint16_t checksum_offset; // into the field so far behind it, which holds the sum of the pseudo-header
    uint16_t segment_size;    // payload of each frame that it is cut into
    uint16_t header_length;   // in front of the payload: Ethernet, IP and TCP
};
static_assert(sizeof(struct frame_offload) == sizeof(uint64_t));

struct frame_ring {
    struct ring ring;
    alignas(64) _Atomic uint64_t slots[FRAME_RING_SIZE]; // struct frame
};

struct frame_region {
    struct frame_ring rings[FRAME_RING_COUNT];
    alignas(4096) uint8_t buffers[FRAME_BUFFERS][FRAME_BUFFER_SIZE];
};
static_assert(sizeof(struct frame_region) <= 1024 * 1024);

enum frame_side : uint32_t { FRAME_DRIVER, FRAME_CLIENT };

// What the other side did wrong, by kind.
struct frame_faults {
    uint64_t positions; // a ring's tail jumped by more than the ring holds
    uint64_t buffers;   // a buffer that does not exist, is of the other half, or that it did not hold
    uint64_t ranges;    // a frame that is not inside its buffer or what was lent, or with flags that its ring has not
};

// One side's end. Private to it.
struct frame_end {
    struct frame_region *region;
    enum frame_side side;
    struct ring_end rings[FRAME_RING_COUNT];
    bool is_held[FRAME_BUFFERS];
    uint32_t lent_sizes[FRAME_LENT_MAX + 1]; // the driver's: bytes of what the client has lent; 0: nothing of this number
    struct frame_faults faults;
};

// Both ends begin at `start`, which is 0 but in tests. The driver's end also puts the shared rings in order, so it is
// begun before the region is handed out.
void frame_begin(struct frame_end *end, struct frame_region *region, enum frame_side side, uint32_t start);

// Takes the next frame that the other side put into the ring. ERR_EMPTY: none; ERR_MALFORMED: the other side broke the
// protocol; nothing more should be expected from it
status_t frame_take(struct frame_end *end, enum frame_ring_name ring, struct frame *out_frame);

// Puts a frame into the ring; the other side sees it after frame_publish. ERR_INVALID_ARGUMENT: not held by this end. The client
// counts its parts: no more than FRAME_RING_SIZE of frames to send are with the driver, whose buffers bound them unless they
// are lent.
status_t frame_give(struct frame_end *end, enum frame_ring_name ring, struct frame frame);

// Shows what was put into the ring. True: the other side sleeps and must be told (ethernet.wake or ethernet.kick).
bool frame_publish(struct frame_end *end, enum frame_ring_name ring);

// Says that this side wants to be told about the ring. False: there is something in it already, so it must not sleep.
// A client that sleeps on FRAME_TRANSMITTED kicks the driver too: it lets finished frames lie until it is asked.
bool frame_sleep(struct frame_end *end, enum frame_ring_name ring);

static inline struct frame frame_of_lent(uint8_t lent, uint32_t offset, uint16_t length, uint8_t flags) {
    return (struct frame) {(uint16_t) offset, (uint16_t) (offset >> 16), length, flags, lent};
}

static inline uint32_t frame_lent_offset(struct frame part) {
    return part.buffer | (uint32_t) part.offset << 16;
}

// Does the other side sleep on the ring that this end puts frames into?
static inline bool frame_is_awaited(const struct frame_end *end, enum frame_ring_name ring) {
    return ring_is_awaited(&end->region->rings[ring].ring);
}

// Of a frame to send. Written by the client while it holds the buffer; the driver reads all of it once.
void frame_write_offload(const struct frame_end *end, struct frame frame, struct frame_offload offload);
struct frame_offload frame_read_offload(const struct frame_end *end, struct frame frame);

// The bytes of a frame that was taken, or that lies in a held buffer.
static inline uint8_t *frame_data(const struct frame_end *end, struct frame frame) {
    return end->region->buffers[frame.buffer] + frame.offset;
}
