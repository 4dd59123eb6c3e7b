// The driver's side of `ethernet`, on a device that does what the test says.
// test-with: drivers/virtio_net/virtio_net.c drivers/virtio_net/lent.c
#include "nic.h"

#include <test/host/fake_supervisor.h>
#include <test/test.h>

#include <ethernet.h>
#include <supervisor.h>

// --- The device: its link is up or down, and it fails when it shall ---

static bool is_link_up = true, fails;
static void (*interrupt)(void *context, uint32_t causes);
static struct frame_region region;

status_t virtio_open(const struct device *found, enum virtio_id id, struct virtio_device *out_device) {
    (void) found;
    (void) id;
    *out_device = (struct virtio_device) {};
    return OK;
}

status_t virtio_listen(struct virtio_device *device, void (*handle)(void *context, uint32_t causes), void *context) {
    (void) device;
    (void) context;
    interrupt = handle;
    return OK;
}

bool virtio_needs_reset(struct virtio_device *device) {
    (void) device;
    return false;
}

status_t dma_create(const struct device *device, size_t size, struct dma *out_dma) {
    (void) device;
    *out_dma = (struct dma) {.memory = (uint8_t *) &region, .size = size};
    return folio_create(PAGE_SIZE, 0, &out_dma->folio);
}

status_t dma_pin(const struct device *device, folio_t folio, uint64_t offset, uint64_t *out_address) {
    return folio_dma_address(folio, device->regions[0].folio, offset, out_address);
}

void dma_unpin(folio_t folio) {
    (void) folio_dma_end(folio);
}

status_t nic_identify(struct nic *nic) {
    nic->mtu = 1500;
    return nic_read_link(nic);
}

status_t nic_read_link(struct nic *nic) {
    nic->is_link_up = is_link_up;
    return OK;
}

status_t nic_start(struct nic *nic) {
    nic->is_running = true;
    nic->parts_max = FRAME_PARTS_MAX;
    return nic_read_link(nic);
}

status_t nic_stop(struct nic *nic) {
    nic->is_running = false;
    return OK;
}

status_t nic_run(struct nic *nic, bool *out_wake) {
    (void) nic;
    *out_wake = false;
    return fails ? ERR_IO : OK;
}

static void change_link(bool is_up) {
    is_link_up = is_up;
    interrupt(nullptr, VIRTIO_CONFIG_CHANGED);
    fake_run();
}

// --- The client ---

static bool is_told(channel_t client, bool is_up) {
    struct message message;
    struct ethernet_link event;
    return fake_receive(client, &message) && ethernet_link_decode(&message, &event) == OK && event.up == is_up;
}

static void start(channel_t *out_client) {
    struct supervisor_device device = {.device = 0, .transport = 1};
    struct message message;
    fake_prepare();
    if (supervisor_device_encode(&device, &message) == OK) {
        fake_give(&message);
    }
    fake_start("virtio_net", "");
    *out_client = fake_client("ethernet");
    if (ethernet_open_encode(&message) == OK) {
        fake_send(*out_client, &message);
    }
    fake_run();
}

static bool opens(channel_t *out_client) {
    struct message message;
    start(out_client);
    return fake_receive(*out_client, &message) && message.header.kind == (ETHERNET_OPEN | MESSAGE_REPLY) &&
           message.header.status == OK;
}

TEST("a client is told of each change of the link, and of nothing else") {
    channel_t client;
    struct message message;
    EXPECT(opens(&client));
    change_link(false);
    EXPECT(is_told(client, false));
    change_link(false);
    EXPECT(!fake_receive(client, &message));
    change_link(true);
    EXPECT(is_told(client, true));
}

TEST("a client that opens while the link is down is told") {
    channel_t client;
    is_link_up = false;
    start(&client);
    EXPECT(is_told(client, false));
}

TEST("a change of the link that finds the client's queue full is told when there is room") {
    channel_t client;
    EXPECT(opens(&client));
    fake_channel_limit(client, 0);
    change_link(false);
    fake_channel_limit(client, 1);
    change_link(true);
    change_link(false);
    EXPECT(is_told(client, false));
    change_link(true);
    change_link(false);
    fake_channel_limit(client, 8);
    EXPECT(is_told(client, true));
    fake_run();
    EXPECT(is_told(client, false));
}

TEST("a link that changed while the device recovered from a failure is told") {
    channel_t client;
    EXPECT(opens(&client));
    fails = true;
    interrupt(nullptr, 0);
    fails = is_link_up = false;
    fake_advance(NSEC_PER_SEC);
    EXPECT(is_told(client, false));
}

// --- What the client lends ---

static status_t lend(channel_t client, uint64_t folio_size, uint64_t offset, uint32_t size, uint32_t *out_number) {
    struct message message;
    struct ethernet_lend request = {.offset = offset, .size = size};
    struct ethernet_lend_reply reply = {};
    TRY(folio_create(folio_size, FOLIO_CONTIGUOUS, &request.folio));
    TRY(ethernet_lend_encode(&request, &message));
    fake_send(client, &message);
    fake_run();
    if (!fake_receive(client, &message)) {
        return ERR_EMPTY;
    }
    TRY((status_t) message.header.status);
    TRY(ethernet_lend_reply_decode(&message, &reply));
    *out_number = reply.lent;
    return OK;
}

static void unlend(channel_t client, uint32_t number) {
    struct message message;
    if (ethernet_unlend_encode(&(struct ethernet_unlend) {.lent = number}, &message) == OK) {
        fake_send(client, &message);
        fake_run();
    }
}

TEST("what is lent is pinned until it is taken back, and so many ranges can be lent at a time") {
    channel_t client;
    uint32_t number;
    EXPECT(opens(&client));
    size_t handles = fake_open_handles();
    for (unsigned i = 1; i <= FRAME_LENT_MAX; i++) {
        EXPECT(lend(client, 8192, 100, 8092, &number) == OK && number == i);
    }
    EXPECT_EQ(fake_pins(), FRAME_LENT_MAX);
    EXPECT_EQ(lend(client, 8192, 0, 1, &number), ERR_LIMIT);
    unlend(client, 7);
    EXPECT_EQ(fake_pins(), FRAME_LENT_MAX - 1);
    EXPECT(lend(client, 8192, 0, 1, &number) == OK && number == 7);
    for (unsigned i = 1; i <= FRAME_LENT_MAX; i++) {
        unlend(client, i);
    }
    EXPECT(fake_pins() == 0 && fake_open_handles() == handles);
}

TEST("what lies outside of the folio is not lent, and nothing stays of the attempt") {
    static const struct {
        uint64_t offset;
        uint32_t size;
    } wrong[] = {{0, 0}, {0, 8193}, {8192, 1}, {8191, 2}, {UINT64_MAX, 2}, {1, UINT32_MAX}};
    channel_t client;
    uint32_t number;
    EXPECT(opens(&client));
    size_t handles = fake_open_handles();
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        EXPECT_EQ(lend(client, 8192, wrong[i].offset, wrong[i].size, &number), ERR_INVALID_ARGUMENT);
    }
    EXPECT(fake_pins() == 0 && fake_open_handles() == handles);
}

TEST("a client that takes back what it has not lent loses its connection, and what it had lent goes") {
    channel_t client;
    uint32_t number;
    EXPECT(opens(&client));
    EXPECT_EQ(lend(client, 8192, 0, 8192, &number), OK);
    unlend(client, number + 1);
    EXPECT(!fake_has_peer(client) && fake_pins() == 0);
}

TEST("after another open everything has to be lent again") {
    struct message message;
    channel_t client;
    uint32_t number;
    EXPECT(opens(&client));
    EXPECT(lend(client, 8192, 0, 8192, &number) == OK && fake_pins() == 1);
    EXPECT_EQ(ethernet_open_encode(&message), OK);
    fake_send(client, &message);
    fake_run();
    EXPECT(fake_receive(client, &message) && fake_pins() == 0);
    unlend(client, number);
    EXPECT(!fake_has_peer(client));
}
