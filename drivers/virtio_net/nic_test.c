// The driver's life between a device and a client of which neither is honest.
// test-with: drivers/virtio_net/nic.c drivers/virtio_net/traffic.c drivers/virtio_net/receive.c drivers/virtio_net/transmit.c
// test-with: drivers/virtio_net/lent.c drivers/virtio_net/testing/card.c
#include "testing/card.h"

#include <test/host/threads.h>
#include <test/test.h>

TEST("it agrees on what it can do, and reads address, MTU and link") {
    EXPECT_EQ(begin(), OK);
    EXPECT_EQ(registers.accepted, WANTED);
    EXPECT_EQ(registers.status, 15);
    EXPECT(nic.mac[0] == 0x52 && nic.mac[5] == 0x56 && nic.mtu == 1500 && nic.is_link_up);
    registers.config[6] = 0;
    EXPECT_EQ(nic_read_link(&nic), OK);
    EXPECT(!nic.is_link_up);
}

TEST("a device that is not modern, does not answer, or refuses, is not used") {
    EXPECT_EQ(begin(), OK);
    registers.offered &= ~VIRTIO_VERSION_1;
    EXPECT_EQ(nic_start(&nic), ERR_NOT_SUPPORTED);
    registers.offered = OFFERED;
    registers.refuses = true;
    EXPECT_EQ(nic_start(&nic), ERR_NOT_SUPPORTED);
    registers.refuses = false;
    registers.is_dead = true;
    EXPECT_EQ(nic_start(&nic), ERR_IO);
    registers.is_dead = false;
    registers.limit = 0;
    EXPECT_EQ(nic_start(&nic), ERR_INVALID_ARGUMENT);
}

TEST("a device that lies is found out, and serves again after a restart with every buffer in its place") {
    struct frame frame;
    for (unsigned lie = 0; lie < 4; lie++) {
        EXPECT_EQ(begin(), OK);
        EXPECT(receive(60, 1) && transmit(FRAME_HALF, 60));
        EXPECT_EQ(run(), OK);
        if (lie == 0) {
            fake_virtqueue_use(&queues[NIC_RECEIVE], 0, 60); // has been used
            fake_virtqueue_use(&queues[NIC_RECEIVE], 0, 60);
        } else if (lie == 1) {
            fake_virtqueue_use(&queues[NIC_RECEIVE], 1, 1997);
        } else if (lie == 2) {
            fake_virtqueue_claim(&queues[NIC_TRANSMIT], 2);
        } else {
            fake_virtqueue_use(&queues[NIC_TRANSMIT], 0, 1);
        }
        EXPECT_EQ(run(), ERR_IO);
        EXPECT_EQ(run(), ERR_IO);
        EXPECT_EQ(nic_stop(&nic), OK);
        EXPECT_EQ(run(), OK); // not running: does nothing
        EXPECT_EQ(nic_start(&nic), OK);
        EXPECT_EQ(run(), OK);
        EXPECT_EQ(nic.receive.in_flight, FRAME_HALF - 1);              // the client has one
        EXPECT_EQ(frame_take(&client, FRAME_TRANSMITTED, &frame), OK); // lost, but the buffer is back
        EXPECT(receive(60, 1));
        EXPECT_EQ(run(), OK);
    }
}

TEST("a client that lies is found out, while the device's buffers stay the device's") {
    EXPECT_EQ(begin(), OK);
    uint32_t tail = atomic_load(&region.rings[FRAME_RECEIVE_RETURNED].ring.tail);
    atomic_store(&region.rings[FRAME_RECEIVE_RETURNED].slots[tail % FRAME_RING_SIZE], 5); // the device has it
    atomic_store(&region.rings[FRAME_RECEIVE_RETURNED].ring.tail, tail + 1);
    EXPECT_EQ(run(), ERR_MALFORMED);
    EXPECT_EQ(begin(), OK);
    EXPECT(transmit(FRAME_HALF, 60));
    EXPECT_EQ(run(), OK);
    client.is_held[FRAME_HALF] = true;
    EXPECT(transmit(FRAME_HALF, 60)); // again
    EXPECT_EQ(run(), ERR_MALFORMED);
    EXPECT_EQ(begin(), OK);
    atomic_fetch_add(&region.rings[FRAME_TRANSMIT].ring.tail, 1000);
    EXPECT_EQ(run(), ERR_MALFORMED);
}

TEST("a device with small queues gets what fits, and the rest as it goes") {
    EXPECT_EQ(begin(), OK);
    registers.limit = 16;
    frame_begin(&nic.end, &region, FRAME_DRIVER, 0);
    frame_begin(&client, &region, FRAME_CLIENT, 0);
    EXPECT_EQ(nic_start(&nic), OK);
    EXPECT(nic.receive.in_flight == 16 && nic.spare_count == FRAME_HALF - 16);
    EXPECT_EQ(nic.offloads, FRAME_CHECKSUM_NEEDED); // no room for the parts of a large frame
    for (uint16_t i = 0; i < 100; i++) {
        EXPECT(transmit(FRAME_HALF + i, 60));
    }
    struct fake_chain chain;
    unsigned sent = 0;
    for (unsigned turn = 0; turn < 100 && sent < 100; turn++) {
        EXPECT_EQ(run(), OK);
        while (fake_virtqueue_next(&queues[NIC_TRANSMIT], &chain)) {
            fake_virtqueue_use(&queues[NIC_TRANSMIT], chain.id, 0);
            sent++;
        }
    }
    EXPECT_EQ(sent, 100);
}

TEST("what the device has not offered it is not asked for") {
    EXPECT_EQ(begin_with(OFFERED & ~(1ull << 0)), OK); // cutting is of no use alone
    EXPECT_EQ(nic.offloads, 0);
    transmit_parts(FRAME_HALF, 60, FRAME_CHECKSUM_NEEDED, honest);
    EXPECT_EQ(run(), OK);
    EXPECT_EQ(nic.counters.dropped_offload, 1);
    EXPECT_EQ(begin_with(OFFERED & ~(1ull << 11)), OK);
    EXPECT_EQ(nic.offloads, FRAME_CHECKSUM_NEEDED);
    transmit_parts(FRAME_HALF, 60, BOTH, honest);
    EXPECT_EQ(run(), OK);
    EXPECT_EQ(nic.counters.dropped_offload, 1);
    transmit_parts(FRAME_HALF + 1, 2000, BOTH, honest);
    EXPECT_EQ(run(), OK);
    EXPECT_EQ(nic.counters.dropped_offload, 2);
}

TEST("large frames are not agreed on with a device that can't spread them over buffers or says nothing of checksums") {
    EXPECT_EQ(begin_with(OFFERED & ~(1ull << 15)), OK);
    EXPECT_EQ(registers.accepted & 1ull << 7, 0);
    EXPECT_EQ(begin_with(OFFERED & ~(1ull << 1)), OK);
    EXPECT_EQ(registers.accepted & 1ull << 7, 0);
}

TEST("a large frame that a restart cuts short leaves nothing behind") {
    uint32_t length;
    EXPECT_EQ(begin(), OK);
    EXPECT(receive(1000, 2));
    EXPECT_EQ(run(), OK);
    EXPECT_EQ(nic_stop(&nic), OK);
    EXPECT_EQ(nic_start(&nic), OK);
    EXPECT_EQ(nic.receive.in_flight, FRAME_HALF);
    EXPECT(receive(60, 1));
    EXPECT_EQ(run(), OK);
    EXPECT(count_received(&length) == 1 && length == 60);
}

TEST("frames that are too short, too long or span buffers are dropped and counted, and nothing leaks") {
    EXPECT_EQ(begin_with(OFFERED & ~(1ull << 7)), OK);
    struct frame frame;
    EXPECT(transmit(FRAME_HALF, 13) && transmit(FRAME_HALF + 1, 1515) && transmit(FRAME_HALF + 2, 0));
    EXPECT(receive(13, 1) && receive(0, 1));
    EXPECT(receive(1984, 3) && receive(1984, 0) && receive(100, 0));
    EXPECT(receive(61, 1));
    EXPECT_EQ(run(), OK);
    EXPECT(nic.counters.dropped_short == 4 && nic.counters.dropped_long == 1 && nic.counters.dropped_spanning == 1);
    EXPECT_EQ(frame_take(&client, FRAME_RECEIVED, &frame), OK);
    EXPECT_EQ(frame.length, 61);
    EXPECT_EQ(frame_take(&client, FRAME_RECEIVED, &frame), ERR_EMPTY);
    EXPECT_EQ(nic.receive.in_flight, FRAME_HALF - 1);
    for (unsigned i = 0; i < 3; i++) {
        EXPECT_EQ(frame_take(&client, FRAME_TRANSMITTED, &frame), OK);
    }
}

// --- All three at once ---

enum { HAMMERED_FRAMES = 100000 };
static _Atomic bool is_over;

// Loops sent frames back; drops them while the driver has no buffers for them.
static void *hammer_device(void *unused) {
    struct fake_chain out, in;
    while (!is_over) {
        bool is_idle = true;
        while (fake_virtqueue_next(&queues[NIC_TRANSMIT], &out)) {
            is_idle = false;
            while (!fake_virtqueue_next(&queues[NIC_RECEIVE], &in) && !is_over) {
                host_yield();
            }
            if (is_over) {
                return unused;
            }
            uint8_t *to = (uint8_t *) (uintptr_t) in.segments[0].address;
            __builtin_memcpy(to, (const void *) (uintptr_t) out.segments[0].address, out.segments[0].length);
            to[10] = 1;
            fake_virtqueue_use(&queues[NIC_RECEIVE], in.id, out.segments[0].length);
            fake_virtqueue_use(&queues[NIC_TRANSMIT], out.id, 0);
        }
        if (is_idle) {
            host_yield();
        }
    }
    return unused;
}

static void *hammer_driver(void *unused) {
    while (!is_over) {
        status_t status = run();
        if (status != OK && status != PENDING) {
            return (void *) 1;
        }
        host_yield();
    }
    return unused;
}

static void send_numbers(uint32_t *sent) {
    struct frame frame = {.offset = FRAME_HEADROOM, .length = 60};
    for (uint16_t buffer = FRAME_HALF; buffer < FRAME_BUFFERS && *sent < HAMMERED_FRAMES; buffer++) {
        frame.buffer = buffer;
        if (client.is_held[buffer]) {
            __builtin_memcpy(frame_data(&client, frame), sent, sizeof(*sent));
            *sent += frame_give(&client, FRAME_TRANSMIT, frame) == OK;
        }
    }
    frame_publish(&client, FRAME_TRANSMIT);
}

TEST("device, driver and client at the same time loop a hundred thousand frames in order") {
    EXPECT_EQ(begin(), OK);
    is_over = false;
    struct host_thread *device = host_thread_start(hammer_device, nullptr);
    struct host_thread *driver = host_thread_start(hammer_driver, nullptr);
    uint32_t sent = 0, received = 0, wrong = 0;
    while (received < HAMMERED_FRAMES) {
        send_numbers(&sent);
        struct frame frame;
        while (frame_take(&client, FRAME_TRANSMITTED, &frame) == OK) {
        }
        while (frame_take(&client, FRAME_RECEIVED, &frame) == OK) {
            uint32_t number;
            __builtin_memcpy(&number, frame_data(&client, frame), sizeof(number));
            wrong += number != received++ || frame_give(&client, FRAME_RECEIVE_RETURNED, frame) != OK;
        }
        frame_publish(&client, FRAME_RECEIVE_RETURNED);
        host_yield();
    }
    is_over = true;
    host_thread_join(device);
    const void *failed = host_thread_join(driver);
    EXPECT_EQ(wrong, 0);
    EXPECT(failed == nullptr);
}
