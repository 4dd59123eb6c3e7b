// test-threads
// Tests of the frame region: order, wrap, lost wake-ups, and peers that lie.
#include <ring/frame_region.h>
#include <test/host/threads.h>
#include <test/test.h>

static struct frame_region region;
static struct frame_end driver, client;

static void begin(uint32_t start) {
    frame_begin(&driver, &region, FRAME_DRIVER, start);
    frame_begin(&client, &region, FRAME_CLIENT, start);
}

static struct frame frame_of(uint16_t buffer, uint16_t length) {
    return (struct frame) {.buffer = buffer, .offset = FRAME_HEADROOM, .length = length};
}

TEST("frames arrive in order and come back, many times around the rings and across the counters' wrap") {
    begin(UINT32_MAX - 300);
    for (uint32_t round = 0; round < 10; round++) {
        for (uint16_t i = 0; i < FRAME_HALF; i++) {
            EXPECT_EQ(frame_give(&driver, FRAME_RECEIVED, frame_of(i, (uint16_t) (60 + round))), OK);
        }
        frame_publish(&driver, FRAME_RECEIVED);
        struct frame frame;
        for (uint16_t i = 0; i < FRAME_HALF; i++) {
            EXPECT_EQ(frame_take(&client, FRAME_RECEIVED, &frame), OK);
            EXPECT(frame.buffer == i && frame.length == 60 + round && frame.offset == FRAME_HEADROOM);
            EXPECT_EQ(frame_give(&client, FRAME_RECEIVE_RETURNED, frame), OK);
        }
        EXPECT_EQ(frame_take(&client, FRAME_RECEIVED, &frame), ERR_EMPTY);
        frame_publish(&client, FRAME_RECEIVE_RETURNED);
        for (uint16_t i = 0; i < FRAME_HALF; i++) {
            EXPECT_EQ(frame_take(&driver, FRAME_RECEIVE_RETURNED, &frame), OK);
            EXPECT(frame.buffer == i && frame.length == 0);
        }
        EXPECT_EQ(frame_take(&driver, FRAME_RECEIVE_RETURNED, &frame), ERR_EMPTY);
    }
}

TEST("nothing is seen before it is published, and an end gives only what it holds") {
    begin(0);
    struct frame frame;
    EXPECT_EQ(frame_give(&client, FRAME_TRANSMIT, frame_of(FRAME_HALF, 60)), OK);
    EXPECT_EQ(frame_take(&driver, FRAME_TRANSMIT, &frame), ERR_EMPTY);
    EXPECT_EQ(frame_give(&client, FRAME_TRANSMIT, frame_of(FRAME_HALF, 60)), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(frame_give(&client, FRAME_TRANSMIT, frame_of(0, 60)), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(frame_give(&client, FRAME_TRANSMIT, frame_of(FRAME_BUFFERS, 60)), ERR_INVALID_ARGUMENT);
    frame_publish(&client, FRAME_TRANSMIT);
    EXPECT_EQ(frame_take(&driver, FRAME_TRANSMIT, &frame), OK);
}

TEST("the other side is told once per sleep, and only when it sleeps") {
    begin(7);
    struct frame frame;
    EXPECT_EQ(frame_give(&driver, FRAME_RECEIVED, frame_of(0, 60)), OK);
    EXPECT(!frame_publish(&driver, FRAME_RECEIVED));
    EXPECT(!frame_sleep(&client, FRAME_RECEIVED));
    EXPECT_EQ(frame_take(&client, FRAME_RECEIVED, &frame), OK);
    EXPECT(frame_sleep(&client, FRAME_RECEIVED));
    EXPECT(!frame_publish(&driver, FRAME_RECEIVED)); // nothing new
    EXPECT_EQ(frame_give(&driver, FRAME_RECEIVED, frame_of(1, 60)), OK);
    EXPECT(frame_publish(&driver, FRAME_RECEIVED));
    EXPECT_EQ(frame_give(&driver, FRAME_RECEIVED, frame_of(2, 60)), OK);
    EXPECT(!frame_publish(&driver, FRAME_RECEIVED));
}

static uint64_t slot_of(struct frame forged) {
    return forged.buffer | (uint64_t) forged.offset << 16 | (uint64_t) forged.length << 32 | (uint64_t) forged.flags << 48 |
           (uint64_t) forged.lent << 56;
}

// What a hostile client may write: the driver's verdict.
static status_t verdict(enum frame_ring_name ring, struct frame forged) {
    begin(UINT32_MAX);
    atomic_store(&region.rings[ring].slots[UINT32_MAX % FRAME_RING_SIZE], slot_of(forged));
    atomic_store(&region.rings[ring].ring.tail, 0);
    struct frame frame;
    return frame_take(&driver, ring, &frame);
}

TEST("forged frames are refused: wrong buffers, wrong ranges, flags") {
    uint16_t const room = FRAME_BUFFER_SIZE - FRAME_HEADROOM;
    EXPECT_EQ(verdict(FRAME_TRANSMIT, frame_of(FRAME_HALF, room)), OK);
    EXPECT_EQ(verdict(FRAME_TRANSMIT, frame_of(FRAME_HALF, room + 1)), ERR_MALFORMED);
    EXPECT_EQ(verdict(FRAME_TRANSMIT, frame_of(FRAME_HALF, UINT16_MAX)), ERR_MALFORMED);
    EXPECT_EQ(verdict(FRAME_TRANSMIT, (struct frame) {FRAME_HALF, UINT16_MAX, UINT16_MAX, 0, 0}), ERR_MALFORMED);
    EXPECT_EQ(verdict(FRAME_TRANSMIT, (struct frame) {FRAME_HALF, FRAME_HEADROOM - 1, 60, 0, 0}), ERR_MALFORMED);
    EXPECT_EQ(verdict(FRAME_TRANSMIT, (struct frame) {FRAME_HALF, FRAME_HEADROOM, 60, FRAME_CHECKSUM_CORRECT, 0}),
              ERR_MALFORMED);
    EXPECT_EQ(verdict(FRAME_TRANSMIT, (struct frame) {FRAME_HALF, FRAME_HEADROOM, 60, 16, 0}), ERR_MALFORMED);
    EXPECT_EQ(verdict(FRAME_TRANSMIT, frame_of(FRAME_HALF - 1, 60)), ERR_MALFORMED);
    EXPECT_EQ(verdict(FRAME_TRANSMIT, frame_of(FRAME_BUFFERS, 60)), ERR_MALFORMED);
    EXPECT_EQ(verdict(FRAME_TRANSMIT, frame_of(UINT16_MAX, 60)), ERR_MALFORMED);
    EXPECT_EQ(verdict(FRAME_RECEIVE_RETURNED, frame_of(FRAME_HALF, 0)), ERR_MALFORMED);
    EXPECT_EQ(verdict(FRAME_RECEIVE_RETURNED, frame_of(3, 0)), ERR_MALFORMED); // the driver holds it already
    EXPECT_EQ(driver.faults.buffers, 1);
}

static status_t lent_verdict(uint32_t size, struct frame part) {
    begin(UINT32_MAX);
    driver.lent_sizes[1] = size;
    atomic_store(&region.rings[FRAME_TRANSMIT].slots[UINT32_MAX % FRAME_RING_SIZE], slot_of(part));
    atomic_store(&region.rings[FRAME_TRANSMIT].ring.tail, 0);
    struct frame frame = {};
    status_t status = frame_take(&driver, FRAME_TRANSMIT, &frame);
    bool is_same =
        frame_lent_offset(frame) == frame_lent_offset(part) && frame.length == part.length && frame.lent == part.lent;
    return status != OK || is_same ? status : ERR_IO;
}

TEST("a part in what was lent is taken only if it lies there, whatever its number, offset and length") {
    EXPECT_EQ(lent_verdict(5000000, frame_of_lent(1, 4999000, 1000, FRAME_MORE)), OK);
    EXPECT_EQ(lent_verdict(5000000, frame_of_lent(1, 4999001, 1000, 0)), ERR_MALFORMED);
    EXPECT_EQ(lent_verdict(5000000, frame_of_lent(1, UINT32_MAX, 1, 0)), ERR_MALFORMED);
    EXPECT_EQ(lent_verdict(5000000, frame_of_lent(1, UINT32_MAX - 10, 100, 0)), ERR_MALFORMED);
    EXPECT_EQ(lent_verdict(5000000, frame_of_lent(1, 5000001, 0, 0)), ERR_MALFORMED);
    EXPECT_EQ(lent_verdict(5000000, frame_of_lent(1, 0, 100, FRAME_CHECKSUM_NEEDED)), ERR_MALFORMED);
    EXPECT_EQ(lent_verdict(5000000, frame_of_lent(2, 0, 100, 0)), ERR_MALFORMED);
    EXPECT_EQ(lent_verdict(5000000, frame_of_lent(FRAME_LENT_MAX + 1, 0, 0, 0)), ERR_MALFORMED);
    EXPECT_EQ(lent_verdict(5000000, frame_of_lent(UINT8_MAX, 0, 0, 0)), ERR_MALFORMED);
    EXPECT_EQ(lent_verdict(0, frame_of_lent(1, 0, 0, 0)), ERR_MALFORMED);
    EXPECT_EQ(driver.faults.ranges, 1);
    EXPECT_EQ(verdict(FRAME_RECEIVE_RETURNED, frame_of_lent(1, FRAME_HALF, 0, 0)), ERR_MALFORMED);
}

TEST("what was received never lies in what was lent") {
    begin(0);
    struct frame frame = {.length = 60, .lent = 1};
    EXPECT_EQ(frame_give(&driver, FRAME_RECEIVED, frame), OK);
    frame_publish(&driver, FRAME_RECEIVED);
    client.lent_sizes[1] = 100;
    EXPECT_EQ(frame_take(&client, FRAME_RECEIVED, &frame), ERR_MALFORMED);
}

TEST("each ring has flags of its own, and received frames need no headroom") {
    begin(0);
    struct frame frame = {0, 0, FRAME_BUFFER_SIZE, FRAME_MORE | FRAME_CHECKSUM_CORRECT, 0};
    EXPECT_EQ(frame_give(&driver, FRAME_RECEIVED, frame), OK);
    frame = (struct frame) {1, 0, 60, FRAME_CHECKSUM_NEEDED, 0};
    EXPECT_EQ(frame_give(&driver, FRAME_RECEIVED, frame), OK);
    frame_publish(&driver, FRAME_RECEIVED);
    EXPECT_EQ(frame_take(&client, FRAME_RECEIVED, &frame), OK);
    EXPECT(frame.offset == 0 && frame.length == FRAME_BUFFER_SIZE);
    EXPECT_EQ(frame.flags, FRAME_MORE | FRAME_CHECKSUM_CORRECT);
    EXPECT_EQ(frame_take(&client, FRAME_RECEIVED, &frame), ERR_MALFORMED);
    EXPECT_EQ(client.faults.ranges, 1);
}

TEST("what is asked of the device goes with the frame's buffer, and leaves the frame alone") {
    begin(0);
    struct frame frame = {FRAME_HALF, FRAME_HEADROOM, 60, FRAME_CHECKSUM_NEEDED | FRAME_SEGMENTS_NEEDED | FRAME_MORE, 0};
    frame_data(&client, frame)[0] = 7;
    frame_write_offload(&client, frame, (struct frame_offload) {34, 16, 1460, 54});
    EXPECT_EQ(frame_give(&client, FRAME_TRANSMIT, frame), OK);
    frame_publish(&client, FRAME_TRANSMIT);
    EXPECT_EQ(frame_take(&driver, FRAME_TRANSMIT, &frame), OK);
    struct frame_offload offload = frame_read_offload(&driver, frame);
    EXPECT(offload.checksum_start == 34 && offload.checksum_offset == 16);
    EXPECT(offload.segment_size == 1460 && offload.header_length == 54);
    EXPECT_EQ(frame_data(&driver, frame)[0], 7);
}

TEST("a buffer that was sent already can't be sent again") {
    begin(0);
    struct frame frame;
    for (unsigned slot = 0; slot < 2; slot++) {
        uint64_t packed = FRAME_HALF | (uint64_t) FRAME_HEADROOM << 16 | 60ull << 32;
        atomic_store(&region.rings[FRAME_TRANSMIT].slots[slot], packed);
    }
    atomic_store(&region.rings[FRAME_TRANSMIT].ring.tail, 2);
    EXPECT_EQ(frame_take(&driver, FRAME_TRANSMIT, &frame), OK);
    EXPECT_EQ(frame_take(&driver, FRAME_TRANSMIT, &frame), ERR_MALFORMED);
    EXPECT_EQ(driver.faults.buffers, 1);
}

TEST("a tail that jumps further than the ring is refused, backwards too, near the wrap too") {
    static const uint32_t starts[] = {0, 5, UINT32_MAX, UINT32_MAX - 100};
    for (unsigned i = 0; i < 4; i++) {
        struct frame frame;
        begin(starts[i]);
        atomic_store(&region.rings[FRAME_TRANSMIT].ring.tail, starts[i] + FRAME_RING_SIZE + 1);
        EXPECT_EQ(frame_take(&driver, FRAME_TRANSMIT, &frame), ERR_MALFORMED);
        atomic_store(&region.rings[FRAME_TRANSMIT].ring.tail, starts[i] - 1);
        EXPECT_EQ(frame_take(&driver, FRAME_TRANSMIT, &frame), ERR_MALFORMED);
        EXPECT_EQ(driver.faults.positions, 2);
        atomic_store(&region.rings[FRAME_TRANSMIT].ring.tail, starts[i]);
        EXPECT_EQ(frame_take(&driver, FRAME_TRANSMIT, &frame), ERR_EMPTY);
    }
}

TEST("a peer that overwrites everything all the time makes no end touch what is not its own") {
    uint64_t random = 88172645463325252ull;
    for (unsigned i = 0; i < 200000; i++) {
        if (i % 1000 == 0) {
            begin((uint32_t) random);
        }
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        enum frame_ring_name ring = random % 2 == 0 ? FRAME_TRANSMIT : FRAME_RECEIVE_RETURNED;
        atomic_store(&region.rings[ring].slots[random / 2 % FRAME_RING_SIZE], random & 0x000f0fff007f01ff);
        atomic_store(&region.rings[ring].ring.tail, driver.rings[ring].position + (uint32_t) (random >> 50));
        struct frame frame;
        if (frame_take(&driver, ring, &frame) == OK) {
            EXPECT(frame.buffer < FRAME_BUFFERS && frame.offset + frame.length <= FRAME_BUFFER_SIZE);
            EXPECT(driver.is_held[frame.buffer]);
        }
    }
}

// --- Both sides at once ---

enum { HAMMERED_FRAMES = 300000 };

// A doorbell, as a channel is one: rung by the one side, waited for by the other.
static _Atomic uint32_t bells;

static void await_bell(uint32_t *heard) {
    while (atomic_load(&bells) == *heard) {
        host_yield();
    }
    *heard = atomic_load(&bells);
}

// Sends numbered frames; sleeps only for the buffers to come back.
static void *hammer_driver(void *unused) {
    uint32_t sent = 0;
    uint16_t held[FRAME_HALF];
    unsigned count = 0;
    for (uint16_t i = 0; i < FRAME_HALF; i++) {
        held[count++] = i;
    }
    while (sent < HAMMERED_FRAMES) {
        struct frame frame;
        while (frame_take(&driver, FRAME_RECEIVE_RETURNED, &frame) == OK) {
            held[count++] = frame.buffer;
        }
        for (; count > 0 && sent < HAMMERED_FRAMES; sent++) {
            frame = frame_of(held[--count], 60);
            __builtin_memcpy(frame_data(&driver, frame), &sent, sizeof(sent));
            if (frame_give(&driver, FRAME_RECEIVED, frame) != OK) {
                return (void *) 1;
            }
            if (sent % 7 == 0 && frame_publish(&driver, FRAME_RECEIVED)) {
                atomic_fetch_add(&bells, 1);
            }
        }
        if (frame_publish(&driver, FRAME_RECEIVED)) {
            atomic_fetch_add(&bells, 1);
        }
        host_yield();
    }
    return unused;
}

TEST("two threads pass hundreds of thousands of frames and lose neither one of them nor a wake-up") {
    begin(UINT32_MAX - 1000);
    struct host_thread *thread = host_thread_start(hammer_driver, nullptr);
    uint32_t expected = 0, heard = 0, wrong = 0;
    while (expected < HAMMERED_FRAMES) {
        struct frame frame;
        while (frame_take(&client, FRAME_RECEIVED, &frame) == OK) {
            uint32_t number;
            __builtin_memcpy(&number, frame_data(&client, frame), sizeof(number));
            wrong += number != expected++;
            wrong += frame_give(&client, FRAME_RECEIVE_RETURNED, frame) != OK;
        }
        frame_publish(&client, FRAME_RECEIVE_RETURNED);
        if (expected < HAMMERED_FRAMES && frame_sleep(&client, FRAME_RECEIVED)) {
            await_bell(&heard);
        }
    }
    const void *failed = host_thread_join(thread);
    EXPECT_EQ(wrong, 0);
    EXPECT(failed == nullptr);
}
