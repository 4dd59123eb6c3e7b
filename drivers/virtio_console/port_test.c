// The port on a device that is honest, or writes what the test wants. Its registers are variables.
// test-with: drivers/virtio_console/port.c
#include "port.h"

#include <test/host/fake_virtqueue.h>
#include <test/test.h>

enum { CONTROL_RECEIVE = 2, CONTROL_SEND = 3, RECEIVE = 4, SEND = 5 };

static uint8_t device_status;
static uint64_t offered;
static uint16_t queue_limit = 64;
static struct fake_virtqueue queues[6];
alignas(4096) static uint8_t memory[64 * 4096];

static uint8_t get_status(struct virtio_device *) {
    return device_status;
}

static void set_status(struct virtio_device *, uint8_t status) {
    device_status = status;
}

static uint64_t get_features(struct virtio_device *) {
    return offered;
}

static void set_features(struct virtio_device *, uint64_t) {
}

static void route_interrupts(struct virtio_device *) {
}

static uint16_t get_queue_limit(struct virtio_device *, uint16_t) {
    return queue_limit;
}

static status_t start_queue(struct virtio_device *, uint16_t index, const struct virtqueue *queue) {
    queues[index] = (struct fake_virtqueue) {.queue = (struct virtqueue *) queue};
    return OK;
}

static void say(uint32_t id, uint16_t event, uint16_t value) {
    struct fake_chain chain;
    const struct {
        uint32_t id;
        uint16_t event, value;
    } message = {id, event, value};
    if (fake_virtqueue_next(&queues[CONTROL_RECEIVE], &chain)) {
        __builtin_memcpy((void *) (uintptr_t) chain.segments[0].address, &message, sizeof(message));
        fake_virtqueue_use(&queues[CONTROL_RECEIVE], chain.id, sizeof(message));
    }
}

// As the device does: it answers while it is notified.
static unsigned control_events[8];
static void notify(struct virtio_device *, uint16_t index) {
    struct fake_chain chain;
    while (index == CONTROL_SEND && fake_virtqueue_next(&queues[CONTROL_SEND], &chain)) {
        const uint8_t *message = (const uint8_t *) (uintptr_t) chain.segments[0].address;
        control_events[message[4] & 7]++;
        fake_virtqueue_use(&queues[CONTROL_SEND], chain.id, 0);
        if (message[4] == 0) {
            say(0, 1, 0); // a console, which is none of ours
            say(1, 1, 0);
        } else if (message[4] == 3) {
            say(1, 6, 1);
        }
    }
}

static uint8_t get_config_generation(struct virtio_device *) {
    return 0;
}

static const struct virtio_transport transport = {
    get_status,      set_status,  get_features, set_features,          route_interrupts,
    get_queue_limit, start_queue, notify,       get_config_generation, nullptr,
};

status_t dma_create(const struct device *, size_t size, struct dma *out_dma) {
    __builtin_memset(memory, 0, sizeof(memory));
    *out_dma = (struct dma) {.memory = memory, .address = (uintptr_t) memory, .size = size};
    return size <= sizeof(memory) ? OK : ERR_NO_MEMORY;
}

static struct port port;

static status_t begin(void) {
    static const struct device found;
    offered = VIRTIO_VERSION_1 | 2;
    port = (struct port) {.device.transport = &transport};
    return port_start(&found, &port);
}

static bool host_sends(const void *data, uint32_t size) {
    struct fake_chain chain;
    if (!fake_virtqueue_next(&queues[RECEIVE], &chain)) {
        return false;
    }
    __builtin_memcpy((void *) (uintptr_t) chain.segments[0].address, data, size);
    fake_virtqueue_use(&queues[RECEIVE], chain.id, size);
    return true;
}

TEST("it agrees with the device on the port without waiting for an interrupt") {
    EXPECT_EQ(begin(), OK);
    EXPECT(port.is_known && port.is_open);
    EXPECT(control_events[0] == 1 && control_events[3] == 1 && control_events[6] == 1);
    EXPECT(port_rest(&port, true, false));
    say(1, 6, 0);
    EXPECT(!port_rest(&port, true, false));
    EXPECT_EQ(port_run(&port), OK);
    EXPECT(!port.is_open);
}

TEST("a device without ports, or with too small queues, is not used") {
    static const struct device found;
    offered = VIRTIO_VERSION_1;
    port = (struct port) {.device.transport = &transport};
    EXPECT_EQ(port_start(&found, &port), ERR_NOT_SUPPORTED);
    queue_limit = 4;
    EXPECT_EQ(begin(), ERR_NOT_SUPPORTED);
}

TEST("received bytes are given as often as it takes, and their buffers go back") {
    EXPECT_EQ(begin(), OK);
    for (unsigned i = 0; i < 1000; i++) {
        bytes_t bytes;
        EXPECT(host_sends("abcdef", 6));
        EXPECT_EQ(port_received(&port, &bytes), OK);
        EXPECT(bytes.len == 6 && bytes.ptr[0] == 'a');
        port_consume(&port, 4);
        EXPECT_EQ(port_received(&port, &bytes), OK);
        EXPECT(bytes.len == 2 && bytes.ptr[0] == 'e');
        port_consume(&port, 2);
        EXPECT_EQ(port_received(&port, &bytes), OK);
        EXPECT_EQ(bytes.len, 0);
        (void) port_rest(&port, true, false);
    }
}

TEST("a buffer stays the same until it is sent, whatever comes back meanwhile; there are so many and no more") {
    EXPECT_EQ(begin(), OK);
    uint8_t *first = port_send_buffer(&port);
    EXPECT(first != nullptr && port_send_buffer(&port) == first);
    port_send(&port, 10);
    uint8_t *second = port_send_buffer(&port);
    EXPECT(second != nullptr && second != first);
    (void) port_rest(&port, true, true);
    struct fake_chain chain;
    EXPECT(fake_virtqueue_next(&queues[SEND], &chain) && chain.segments[0].length == 10);
    fake_virtqueue_use(&queues[SEND], chain.id, 0);
    EXPECT_EQ(port_run(&port), OK);
    EXPECT_EQ(port_send_buffer(&port), second);
    unsigned count = 0;
    while (port_send_buffer(&port) != nullptr) {
        port_send(&port, 1);
        count++;
    }
    EXPECT(count == PORT_SEND_BUFFERS && !port_is_drained(&port));
}

TEST("a device that lies is found out") {
    bytes_t bytes;
    struct fake_chain chain;
    EXPECT_EQ(begin(), OK);
    EXPECT(fake_virtqueue_next(&queues[RECEIVE], &chain));
    fake_virtqueue_use(&queues[RECEIVE], chain.id, PORT_BUFFER_SIZE + 1);
    EXPECT_EQ(port_received(&port, &bytes), ERR_IO);
    EXPECT_EQ(begin(), OK);
    fake_virtqueue_claim(&queues[SEND], 3);
    EXPECT_EQ(port_run(&port), ERR_IO);
    EXPECT_EQ(begin(), OK);
    fake_virtqueue_use(&queues[CONTROL_RECEIVE], 200, 8);
    EXPECT_EQ(port_run(&port), ERR_IO);
}
