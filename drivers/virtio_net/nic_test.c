// Tests of the driver between a device and a client of which neither is honest.
// test-with: drivers/virtio_net/nic.c drivers/virtio_net/traffic.c drivers/virtio_net/receive.c
// test-with: drivers/virtio_net/transmit.c
#include "nic.h"

#include <test/host/fake_virtqueue.h>
#include <test/host/threads.h>
#include <test/test.h>

COMPONENT(nic_test); // the framework wants one

// --- A device: the registers are variables, the rings are the driver's own ---

static struct {
    uint8_t status;
    uint64_t offered, accepted;
    uint16_t limit;
    unsigned notified[2];
    uint8_t config[12];
    bool is_dead; // never becomes 0 after a reset
    bool refuses; // the features
} registers;

static uint8_t get_status(struct virtio_device *device) {
    (void) device;
    return registers.is_dead ? 1 : registers.status;
}

static void set_status(struct virtio_device *device, uint8_t status) {
    (void) device;
    registers.status = registers.refuses ? status & ~8 : status;
}

static uint64_t get_features(struct virtio_device *device) {
    (void) device;
    return registers.offered;
}

static void set_features(struct virtio_device *device, uint64_t features) {
    (void) device;
    registers.accepted = features;
}

static void route_interrupts(struct virtio_device *device) {
    (void) device;
}

static uint16_t get_queue_limit(struct virtio_device *device, uint16_t index) {
    (void) device;
    return index < 2 ? registers.limit : 0;
}

static struct fake_virtqueue queues[2];

static status_t start_queue(struct virtio_device *device, uint16_t index, const struct virtqueue *queue) {
    (void) device;
    queues[index] = (struct fake_virtqueue) {.queue = (struct virtqueue *) queue};
    return OK;
}

static void notify(struct virtio_device *device, uint16_t index) {
    (void) device;
    registers.notified[index]++;
}

static uint8_t get_config_generation(struct virtio_device *device) {
    (void) device;
    return 0;
}

static const struct virtio_transport transport = {
    get_status,      set_status,  get_features, set_features,          route_interrupts,
    get_queue_limit, start_queue, notify,       get_config_generation, nullptr,
};

// --- The driver between the two ---

enum : uint64_t {
    OFFLOADS = 1ull << 0 | 1ull << 1 | 1ull << 7 | 1ull << 11,
    WANTED = 1ull << 5 | 1ull << 15 | 1ull << 16 | OFFLOADS | VIRTIO_EVENT_INDEX | VIRTIO_VERSION_1,
    OFFERED = WANTED | 1ull << 2 | 1ull << 12, // and more
};

static struct nic nic;
static struct frame_end client;
static struct frame_region region;
alignas(64) static uint8_t rings[16384];

static status_t begin_with(uint64_t offered) {
    __builtin_memset(&registers, 0, sizeof(registers));
    registers.offered = offered;
    registers.limit = 256;
    __builtin_memcpy(registers.config, "\x52\x54\x00\x12\x34\x56\x01\x00", 8);
    nic = (struct nic) {.device = {.transport = &transport, .config = {registers.config, sizeof(registers.config)}}};
    nic.rings = (struct dma) {{}, rings, (uintptr_t) rings, 2 * virtqueue_bytes(NIC_QUEUE_SIZE)};
    nic.region = (struct dma) {{}, (uint8_t *) &region, (uintptr_t) &region, sizeof(region)};
    TRY(nic_identify(&nic));
    frame_begin(&nic.end, &region, FRAME_DRIVER, UINT32_MAX - 100);
    frame_begin(&client, &region, FRAME_CLIENT, UINT32_MAX - 100);
    return nic_start(&nic);
}

static status_t begin(void) {
    return begin_with(OFFERED);
}

static status_t run(void) {
    bool must_wake;
    return nic_run(&nic, &must_wake);
}

// The device receives a frame into the next buffer.
static bool receive(uint32_t length, uint16_t buffers) {
    struct fake_chain chain;
    if (!fake_virtqueue_next(&queues[NIC_RECEIVE], &chain)) {
        return false;
    }
    uint8_t *header = (uint8_t *) (uintptr_t) chain.segments[0].address;
    __builtin_memset(header, 0, NIC_HEADER_SIZE);
    header[10] = (uint8_t) buffers;
    header[11] = (uint8_t) (buffers >> 8);
    __builtin_memset(header + NIC_HEADER_SIZE, (int) length, length < 100 ? length : 100);
    fake_virtqueue_use(&queues[NIC_RECEIVE], chain.id, length + NIC_HEADER_SIZE);
    return true;
}

static bool transmit(uint16_t buffer, uint16_t length) {
    struct frame frame = {.buffer = buffer, .offset = FRAME_HEADROOM, .length = length};
    bool is_given = frame_give(&client, FRAME_TRANSMIT, frame) == OK;
    frame_publish(&client, FRAME_TRANSMIT);
    return is_given;
}

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

// --- What the device is asked to do ---

// Bytes of a header, §5.1.6.
static bool is_header(const struct virtqueue_segment *segment, const char *expected) {
    return __builtin_memcmp((const void *) (uintptr_t) segment->address, expected, 10) == 0;
}

// Gives the frame's parts, all but the last of which are full, from this buffer on.
static void transmit_parts(uint16_t buffer, uint32_t length, uint16_t flags, struct frame_offload offload) {
    bool is_first = true;
    for (uint16_t size; length > 0; length -= size) {
        size = length < FRAME_ROOM ? (uint16_t) length : FRAME_ROOM;
        uint16_t own = (is_first ? flags : 0) | (size < length ? FRAME_MORE : 0);
        struct frame part = {buffer++, FRAME_HEADROOM, size, own};
        if (is_first) {
            frame_write_offload(&client, part, offload);
        }
        (void) !frame_give(&client, FRAME_TRANSMIT, part);
        is_first = false;
    }
    frame_publish(&client, FRAME_TRANSMIT);
}

static size_t count_returned(void) {
    struct frame frame;
    size_t count = 0;
    while (frame_take(&client, FRAME_TRANSMITTED, &frame) == OK) {
        count++;
    }
    return count;
}

enum : uint16_t { BOTH = FRAME_CHECKSUM_NEEDED | FRAME_SEGMENTS_NEEDED };
static const struct frame_offload honest = {34, 16, 1460, 54};

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
        uint16_t flags;
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
    EXPECT_EQ(run(), ERR_MALFORMED); // nor are there parts
}

TEST("parts that end early, are too many, empty or have flags of their own are the client's last") {
    EXPECT_EQ(begin(), OK);
    struct frame part = {FRAME_HALF, FRAME_HEADROOM, 100, FRAME_MORE};
    EXPECT_EQ(frame_give(&client, FRAME_TRANSMIT, part), OK);
    frame_publish(&client, FRAME_TRANSMIT);
    EXPECT_EQ(run(), ERR_MALFORMED);
    EXPECT_EQ(begin(), OK);
    transmit_parts(FRAME_HALF, FRAME_PARTS_MAX * FRAME_ROOM + 1, BOTH, honest);
    EXPECT_EQ(run(), ERR_MALFORMED);
    for (unsigned i = 0; i < 2; i++) {
        EXPECT_EQ(begin(), OK);
        struct frame next = {FRAME_HALF + 1, FRAME_HEADROOM, i == 0 ? 0 : 10, i == 0 ? 0 : FRAME_CHECKSUM_NEEDED};
        EXPECT_EQ(frame_give(&client, FRAME_TRANSMIT, part), OK);
        EXPECT_EQ(frame_give(&client, FRAME_TRANSMIT, next), OK);
        frame_publish(&client, FRAME_TRANSMIT);
        EXPECT_EQ(run(), ERR_MALFORMED);
    }
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

static size_t count_received(uint32_t *out_length) {
    struct frame part;
    size_t count = 0;
    *out_length = 0;
    while (frame_take(&client, FRAME_RECEIVED, &part) == OK) {
        count++;
        *out_length += part.length;
    }
    return count;
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

TEST("large frames are not agreed on with a device that can't spread them over buffers or says nothing of checksums") {
    EXPECT_EQ(begin_with(OFFERED & ~(1ull << 15)), OK);
    EXPECT_EQ(registers.accepted & 1ull << 7, 0);
    EXPECT_EQ(begin_with(OFFERED & ~(1ull << 1)), OK);
    EXPECT_EQ(registers.accepted & 1ull << 7, 0);
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
