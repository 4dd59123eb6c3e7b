// Frames from the device to the client.
// test-with: drivers/virtio_net/nic.c drivers/virtio_net/traffic.c drivers/virtio_net/receive.c drivers/virtio_net/transmit.c
// test-with: drivers/virtio_net/lent.c drivers/virtio_net/testing/card.c
#include "testing/card.h"

#include <test/test.h>

TEST("received frames reach the client where the device put them, and their buffers go back") {
    EXPECT_EQ(begin(), OK);
    for (unsigned i = 0; i < 1000; i++) {
        EXPECT(receive(60 + i % 1000, 1));
        EXPECT_EQ(run(), OK);
        struct frame frame;
        EXPECT_EQ(frame_take(&client, FRAME_RECEIVED, &frame), OK);
        EXPECT(frame.length == 60 + i % 1000 && frame_data(&client, frame)[59] == (uint8_t) (60 + i % 1000));
        EXPECT_EQ(frame_give(&client, FRAME_RECEIVE_RETURNED, frame), OK);
        frame_publish(&client, FRAME_RECEIVE_RETURNED);
    }
    EXPECT_EQ(nic.counters.received_frames, 1000);
}

TEST("the client is told only when it sleeps; the device is told only when it asks") {
    EXPECT_EQ(begin(), OK);
    bool must_wake;
    EXPECT(receive(60, 1));
    EXPECT_EQ(nic_run(&nic, &must_wake), OK);
    EXPECT(!must_wake);
    struct frame frame;
    EXPECT_EQ(frame_take(&client, FRAME_RECEIVED, &frame), OK);
    EXPECT(frame_sleep(&client, FRAME_RECEIVED));
    EXPECT(receive(60, 1));
    EXPECT_EQ(nic_run(&nic, &must_wake), OK);
    EXPECT(must_wake);
    atomic_store(nic.transmit.available_event, 2);
    EXPECT(transmit(FRAME_HALF, 60) && transmit(FRAME_HALF + 1, 60));
    EXPECT_EQ(run(), OK);
    EXPECT_EQ(registers.notified[NIC_TRANSMIT], 0);
    EXPECT(transmit(FRAME_HALF + 2, 60));
    EXPECT_EQ(run(), OK);
    EXPECT_EQ(registers.notified[NIC_TRANSMIT], 1);
}

static uint16_t flags_received(uint8_t header_flags) {
    struct frame frame = {};
    struct fake_chain chain;
    if (!fake_virtqueue_next(&queues[NIC_RECEIVE], &chain)) {
        return UINT16_MAX;
    }
    uint8_t *header = (uint8_t *) (uintptr_t) chain.segments[0].address;
    __builtin_memset(header, 0xff, NIC_HEADER_SIZE);
    header[0] = header_flags;
    header[10] = 1;
    header[11] = 0;
    fake_virtqueue_use(&queues[NIC_RECEIVE], chain.id, 60 + NIC_HEADER_SIZE);
    return run() == OK && frame_take(&client, FRAME_RECEIVED, &frame) == OK ? frame.flags : UINT16_MAX;
}

TEST("the client is told of checksums that the device vouches for, if that was agreed on") {
    EXPECT_EQ(begin(), OK);
    EXPECT_EQ(flags_received(0), 0);
    EXPECT_EQ(flags_received(1), FRAME_CHECKSUM_CORRECT); // not filled in: it has not left the host
    EXPECT_EQ(flags_received(2), FRAME_CHECKSUM_CORRECT);
    EXPECT_EQ(flags_received(0xfc), 0);
    EXPECT_EQ(begin_with(OFFERED & ~(1ull << 1)), OK);
    EXPECT_EQ(flags_received(3), 0);
}

TEST("a large frame reaches the client as soon as all its parts have come, each where the device put it") {
    struct frame part;
    uint32_t length;
    EXPECT_EQ(begin(), OK);
    EXPECT(receive(FRAME_ROOM, 3) && receive(FRAME_ROOM, 0xff));
    EXPECT_EQ(run(), OK);
    EXPECT_EQ(frame_take(&client, FRAME_RECEIVED, &part), ERR_EMPTY);
    EXPECT(receive(88, 0xff) && receive(60, 1));
    EXPECT_EQ(run(), OK);
    EXPECT_EQ(frame_take(&client, FRAME_RECEIVED, &part), OK);
    EXPECT(part.flags == FRAME_MORE && part.offset == FRAME_HEADROOM && part.length == FRAME_ROOM);
    EXPECT_EQ(frame_take(&client, FRAME_RECEIVED, &part), OK);
    EXPECT(part.flags == FRAME_MORE && part.offset == FRAME_HEADROOM - NIC_HEADER_SIZE);
    EXPECT_EQ(part.length, FRAME_ROOM + NIC_HEADER_SIZE);
    EXPECT_EQ(frame_take(&client, FRAME_RECEIVED, &part), OK);
    EXPECT(part.flags == 0 && part.length == 100);
    EXPECT_EQ(count_received(&length), 1);
    EXPECT_EQ(nic.counters.received_frames, 2);
}

TEST("a large frame with too many, too few or empty parts, or too long, is dropped, and what follows is received") {
    uint32_t length;
    EXPECT_EQ(begin(), OK);
    for (unsigned i = 0; i < FRAME_PARTS_MAX + 1; i++) {
        EXPECT(receive(100, FRAME_PARTS_MAX + 1));
    }
    EXPECT(receive(60, 1));
    EXPECT_EQ(run(), OK);
    EXPECT(count_received(&length) == 1 && length == 60 && nic.counters.dropped_spanning == 1);
    for (unsigned i = 0; i < FRAME_PARTS_MAX; i++) {
        EXPECT(receive(FRAME_ROOM, FRAME_PARTS_MAX));
    }
    EXPECT(receive(60, 1));
    EXPECT_EQ(run(), OK);
    EXPECT(count_received(&length) == 1 && nic.counters.dropped_spanning == 2);
    EXPECT(receive(100, 3) && receive((uint32_t) -NIC_HEADER_SIZE, 3) && receive(100, 3) && receive(60, 1));
    EXPECT_EQ(run(), OK);
    EXPECT(count_received(&length) == 1 && nic.counters.dropped_spanning == 3);
    EXPECT(receive(5, 2) && receive(100, 2) && receive(60, 1));
    EXPECT_EQ(run(), OK);
    EXPECT(count_received(&length) == 1 && nic.counters.dropped_short == 1);
    EXPECT_EQ(nic.receive.in_flight + nic.spare_count, FRAME_HALF - 4); // the client has the others
    EXPECT(receive(100, UINT16_MAX) && receive(60, 1));
    EXPECT_EQ(run(), OK);
    EXPECT(count_received(&length) == 1 && nic.counters.dropped_spanning == 4);
}
