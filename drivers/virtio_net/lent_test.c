// Frames of which parts lie in what the client has lent.
// test-with: drivers/virtio_net/nic.c drivers/virtio_net/traffic.c drivers/virtio_net/receive.c drivers/virtio_net/transmit.c
// test-with: drivers/virtio_net/lent.c drivers/virtio_net/testing/card.c
#include "testing/card.h"

#include <test/host/fake_kernel.h>
#include <test/test.h>

enum : uint32_t { SIZE = 1 << 20 };

static uint8_t lend(void) {
    struct dma memory = {.size = SIZE};
    uint8_t number = 0;
    (void) !folio_create(SIZE, FOLIO_CONTIGUOUS, &memory.folio);
    (void) !folio_dma_address(memory.folio, (folio_t) {}, 0, &memory.address);
    return nic_lend(&nic, memory, &number) == OK ? number : 0;
}

static bool set_up(void) {
    fake_kernel_reset();
    return begin() == OK;
}

static void give(struct frame part) {
    (void) !frame_give(&client, FRAME_TRANSMIT, part);
}

static struct frame header_in(uint16_t buffer, uint8_t flags) {
    return (struct frame) {.buffer = buffer, .offset = FRAME_HEADROOM, .length = 54, .flags = flags};
}

// A frame of a header and these bytes of what was lent.
static status_t transmit_lent(uint16_t buffer, uint8_t number, uint32_t offset, uint16_t length) {
    give(header_in(buffer, FRAME_MORE));
    give(frame_of_lent(number, offset, length, 0));
    frame_publish(&client, FRAME_TRANSMIT);
    return run();
}

static bool sent(struct fake_chain *out_chain) {
    bool is_there = fake_virtqueue_next(&queues[NIC_TRANSMIT], out_chain);
    if (is_there) {
        fake_virtqueue_use(&queues[NIC_TRANSMIT], out_chain->id, 0);
    }
    return is_there;
}

TEST("the device reads what was lent where it lies, and the buffers alone come back") {
    struct fake_chain chain;
    EXPECT(set_up() && lend() == 1 && lend() == 2);
    for (unsigned i = 0; i < 1000; i++) {
        EXPECT_EQ(transmit_lent(FRAME_HALF + i % FRAME_HALF, 2, SIZE - 1460 - i, 1460), OK);
        EXPECT(sent(&chain) && chain.count == 2 && !chain.segments[1].is_for_device_to_write);
        EXPECT(chain.segments[0].length == 54 + NIC_HEADER_SIZE && chain.segments[1].length == 1460);
        EXPECT_EQ(chain.segments[1].address, nic.lent[2].address + SIZE - 1460 - i);
        EXPECT(run() == OK && count_returned() == 1);
    }
}

TEST("buffers and lent parts mix in one frame, which the device cuts") {
    struct fake_chain chain;
    EXPECT(set_up() && lend() == 1 && lend() == 2);
    struct frame first = header_in(FRAME_HALF, BOTH | FRAME_MORE);
    frame_write_offload(&client, first, honest);
    give(first);
    give(frame_of_lent(1, 0, 20000, FRAME_MORE));
    give(header_in(FRAME_HALF + 7, FRAME_MORE));
    give(frame_of_lent(2, 5, 20000, FRAME_MORE));
    give(header_in(FRAME_HALF + 3, 0));
    frame_publish(&client, FRAME_TRANSMIT);
    EXPECT(run() == OK && sent(&chain) && chain.count == 5);
    EXPECT(chain.segments[3].address == nic.lent[2].address + 5 && nic.lent[1].frames == 1 && nic.lent[2].frames == 1);
    EXPECT(run() == OK && count_returned() == 3);
    EXPECT(nic.lent[1].frames == 0 && nic.lent[2].frames == 0);
}

TEST("a frame that is not cut is no longer than the wire takes, whatever it is made of") {
    struct fake_chain chain;
    EXPECT(set_up() && lend() == 1);
    EXPECT_EQ(transmit_lent(FRAME_HALF, 1, 0, 1461), OK);
    EXPECT(!sent(&chain) && nic.counters.dropped_long == 1 && count_returned() == 1 && nic.lent[1].frames == 0);
}

TEST("what lies outside of what was lent ends the client's connection") {
    static const struct {
        uint8_t number;
        uint32_t offset;
        uint16_t length;
    } wrong[] = {{1, SIZE, 1}, {1, SIZE - 1, 2}, {1, UINT32_MAX, 1}, {2, 0, 1}, {UINT8_MAX, 0, 1}, {1, 0, 0}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        EXPECT(set_up() && lend() == 1);
        EXPECT_EQ(transmit_lent(FRAME_HALF, wrong[i].number, wrong[i].offset, wrong[i].length), ERR_MALFORMED);
        nic_forget_lent(&nic);
    }
}

TEST("a frame that begins in what was lent ends the client's connection: the device's header has no place") {
    EXPECT(set_up() && lend() == 1);
    give(frame_of_lent(1, 0, 100, 0));
    frame_publish(&client, FRAME_TRANSMIT);
    EXPECT_EQ(run(), ERR_MALFORMED);
}

TEST("a range that is taken back while the device reads it stays pinned until it has, and its number is not given away") {
    EXPECT(set_up() && lend() == 1);
    EXPECT_EQ(transmit_lent(FRAME_HALF, 1, 0, 100), OK);
    EXPECT_EQ(nic_unlend(&nic, 1), OK);
    EXPECT_EQ(nic_unlend(&nic, 1), ERR_NOT_FOUND);
    EXPECT(fake_pins() == 1 && lend() == 2);
    struct fake_chain chain;
    EXPECT(sent(&chain) && run() == OK);
    EXPECT(fake_pins() == 1 && lend() == 1);
    EXPECT_EQ(nic_unlend(&nic, 1), OK);
    EXPECT_EQ(transmit_lent(FRAME_HALF + 1, 1, 0, 100), ERR_MALFORMED);
}

TEST("a restart of the device lets go of what its frames referred to, and what is lent stays lent") {
    EXPECT(set_up() && lend() == 1 && lend() == 2);
    EXPECT(transmit_lent(FRAME_HALF, 1, 0, 100) == OK && transmit_lent(FRAME_HALF + 1, 2, 0, 100) == OK);
    EXPECT(nic_unlend(&nic, 2) == OK && fake_pins() == 2);
    EXPECT(nic_stop(&nic) == OK && nic_start(&nic) == OK);
    EXPECT(fake_pins() == 1 && nic.lent[1].frames == 0);
    queues[NIC_TRANSMIT] = (struct fake_virtqueue) {.queue = &nic.transmit};
    EXPECT(run() == OK && count_returned() == 2);
    EXPECT_EQ(transmit_lent(FRAME_HALF, 1, 0, 100), OK);
    nic_forget_lent(&nic);
    EXPECT_EQ(fake_pins(), 0);
}

TEST("a device whose queue is too short for several parts is lent nothing") {
    struct dma memory = {.size = SIZE};
    uint8_t number;
    EXPECT(set_up());
    registers.limit = 32;
    EXPECT_EQ(nic_start(&nic), OK);
    EXPECT_EQ(nic_lend(&nic, memory, &number), ERR_LIMIT);
}
