// Frames from the client to the device, and what it is asked to do to them.
// test-with: drivers/virtio_net/nic.c drivers/virtio_net/traffic.c drivers/virtio_net/receive.c drivers/virtio_net/transmit.c
// test-with: drivers/virtio_net/lent.c drivers/virtio_net/testing/card.c
#include "testing/card.h"

#include <test/test.h>

// Bytes of a header, §5.1.6.
static bool is_header(const struct virtqueue_segment *segment, const char *expected) {
    return __builtin_memcmp((const void *) (uintptr_t) segment->address, expected, 10) == 0;
}

TEST("sent frames reach the device behind an empty header, and their buffers come back") {
    EXPECT_EQ(begin(), OK);
    for (unsigned i = 0; i < 1000; i++) {
        uint16_t buffer = FRAME_HALF + i % FRAME_HALF;
        region.buffers[buffer][FRAME_HEADROOM - 1] = 0xff; // left there by the client
        EXPECT(transmit(buffer, 60));
        EXPECT_EQ(run(), OK);
        struct fake_chain chain;
        EXPECT(fake_virtqueue_next(&queues[NIC_TRANSMIT], &chain));
        EXPECT(chain.count == 1 && chain.segments[0].length == 72 && !chain.segments[0].is_for_device_to_write);
        EXPECT_EQ(chain.segments[0].address, (uintptr_t) &region.buffers[buffer][FRAME_HEADROOM - NIC_HEADER_SIZE]);
        EXPECT_EQ(region.buffers[buffer][FRAME_HEADROOM - 1], 0);
        fake_virtqueue_use(&queues[NIC_TRANSMIT], chain.id, 0);
        EXPECT_EQ(run(), OK);
        struct frame frame;
        EXPECT_EQ(frame_take(&client, FRAME_TRANSMITTED, &frame), OK);
        EXPECT_EQ(frame.buffer, buffer);
    }
}

TEST("a client that needs buffers and kicks has the device interrupt when half of them are sent") {
    EXPECT_EQ(begin(), OK);
    for (uint16_t i = 0; i < 10; i++) {
        EXPECT(transmit(FRAME_HALF + i, 60));
    }
    EXPECT_EQ(run(), OK);
    EXPECT_EQ(fake_virtqueue_used_event(&queues[NIC_TRANSMIT]), 0); // not asked for
    EXPECT(frame_sleep(&client, FRAME_TRANSMITTED));
    EXPECT_EQ(run(), OK);
    EXPECT_EQ(fake_virtqueue_used_event(&queues[NIC_TRANSMIT]), 5);
}

TEST("a frame whose checksum the device shall fill in says so in its header") {
    struct fake_chain chain;
    EXPECT_EQ(begin(), OK);
    EXPECT_EQ(nic.offloads, BOTH);
    transmit_parts(FRAME_HALF, 60, FRAME_CHECKSUM_NEEDED, (struct frame_offload) {34, 16, 0xffff, 0xffff});
    EXPECT_EQ(run(), OK);
    EXPECT(fake_virtqueue_next(&queues[NIC_TRANSMIT], &chain));
    EXPECT(chain.count == 1 && chain.segments[0].length == 72);
    EXPECT(is_header(chain.segments, "\1\0\0\0\0\0\x22\0\x10\0"));
}

TEST("a frame that the device shall cut is one chain, whose buffers come back together") {
    struct fake_chain chain;
    EXPECT_EQ(begin(), OK);
    for (unsigned i = 0; i < 100; i++) {
        transmit_parts(FRAME_HALF + i, UINT16_MAX, BOTH, honest);
        EXPECT_EQ(run(), OK);
        EXPECT(fake_virtqueue_next(&queues[NIC_TRANSMIT], &chain));
        EXPECT(chain.count == FRAME_PARTS_MAX && chain.segments[0].length == FRAME_ROOM + NIC_HEADER_SIZE);
        EXPECT(chain.segments[1].address == (uintptr_t) &region.buffers[FRAME_HALF + i + 1][FRAME_HEADROOM]);
        EXPECT_EQ(chain.segments[FRAME_PARTS_MAX - 1].length, UINT16_MAX - (FRAME_PARTS_MAX - 1) * FRAME_ROOM);
        EXPECT(is_header(chain.segments, "\1\1\x36\0\xb4\5\x22\0\x10\0"));
        EXPECT_EQ(count_returned(), 0);
        fake_virtqueue_use(&queues[NIC_TRANSMIT], chain.id, 0);
        EXPECT_EQ(run(), OK);
        EXPECT_EQ(count_returned(), FRAME_PARTS_MAX);
    }
}

TEST("offloads that make no sense are dropped and counted") {
    static const struct {
        uint8_t flags;
        uint32_t length;
        struct frame_offload offload;
    } cases[] = {
        {FRAME_CHECKSUM_NEEDED, 60, {13, 16, 0, 0}},         // in the Ethernet header
        {FRAME_CHECKSUM_NEEDED, 60, {34, 25, 0, 0}},         // the field is not within the frame
        {FRAME_CHECKSUM_NEEDED, 60, {60, 0, 0, 0}},          //
        {FRAME_CHECKSUM_NEEDED, 60, {0xffff, 0xffff, 0, 0}}, //
        {FRAME_SEGMENTS_NEEDED, 5000, {34, 16, 1460, 54}},   // without a checksum
        {BOTH, 5000, {34, 16, 0, 54}},                       // cut into nothing
        {BOTH, 5000, {34, 16, 1461, 54}},                    // longer than the MTU
        {BOTH, 5000, {34, 16, 0xffff, 0xffff}},              //
        {BOTH, 5000, {34, 16, 1460, 34}},                    // no TCP header
        {BOTH, 5000, {54, 16, 1460, 40}},                    //
        {BOTH, 5000, {34, 16, 100, 1985}},                   // headers beyond the first part
        {BOTH, 54, {34, 16, 1460, 54}},                      // no payload
        {BOTH, UINT16_MAX + 1, {34, 16, 1460, 54}},          // longer than IPv4 can say
    };
    enum { COUNT = sizeof(cases) / sizeof(cases[0]) };
    struct fake_chain chain;
    EXPECT_EQ(begin(), OK);
    for (unsigned i = 0; i < COUNT; i++) {
        transmit_parts(FRAME_HALF, cases[i].length, cases[i].flags, cases[i].offload);
        EXPECT_EQ(run(), OK);
        EXPECT_EQ(nic.counters.dropped_offload, i + 1);
        EXPECT_EQ(count_returned(), (cases[i].length + FRAME_ROOM - 1) / FRAME_ROOM);
    }
    EXPECT(!fake_virtqueue_next(&queues[NIC_TRANSMIT], &chain));
}

TEST("parts that end early, are too many, empty or have flags of their own are the client's last") {
    EXPECT_EQ(begin(), OK);
    struct frame part = {.buffer = FRAME_HALF, .offset = FRAME_HEADROOM, .length = 100, .flags = FRAME_MORE};
    EXPECT_EQ(frame_give(&client, FRAME_TRANSMIT, part), OK);
    frame_publish(&client, FRAME_TRANSMIT);
    EXPECT_EQ(run(), ERR_MALFORMED);
    EXPECT_EQ(begin(), OK);
    transmit_parts(FRAME_HALF, FRAME_PARTS_MAX * FRAME_ROOM + 1, BOTH, honest);
    EXPECT_EQ(run(), ERR_MALFORMED);
    for (unsigned i = 0; i < 2; i++) {
        EXPECT_EQ(begin(), OK);
        struct frame next = {.buffer = FRAME_HALF + 1, .offset = FRAME_HEADROOM};
        next.length = i == 0 ? 0 : 10;
        next.flags = i == 0 ? 0 : FRAME_CHECKSUM_NEEDED;
        EXPECT_EQ(frame_give(&client, FRAME_TRANSMIT, part), OK);
        EXPECT_EQ(frame_give(&client, FRAME_TRANSMIT, next), OK);
        frame_publish(&client, FRAME_TRANSMIT);
        EXPECT_EQ(run(), ERR_MALFORMED);
    }
}
