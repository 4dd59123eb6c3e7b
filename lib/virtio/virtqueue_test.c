// test-threads
// Tests of the virtqueue: order, wrap, suppression of notifications, and devices that lie.
#include <test/host/fake_virtqueue.h>
#include <test/host/threads.h>
#include <test/test.h>
#include <virtio/virtqueue.h>

static struct virtqueue queue;
static struct fake_virtqueue device;

static const struct virtqueue_segment in100 = {0x1000, 100, true};
static const struct virtqueue_segment request[3] = {{0x1000, 16, false}, {0x2000, 512, true}, {0x3000, 1, true}};

static void begin(uint16_t size, uint16_t position) {
    fake_virtqueue_begin(&device, &queue, size, position, true);
}

static status_t give(uint32_t token) {
    status_t status = virtqueue_add(&queue, &in100, 1, token);
    virtqueue_publish(&queue);
    return status;
}

TEST("chains come back with their tokens, in any order, many times around and across the wrap") {
    begin(8, UINT16_MAX - 30);
    struct fake_chain chains[2];
    struct virtqueue_done done;
    for (uint32_t i = 0; i < 100; i++) {
        EXPECT_EQ(virtqueue_add(&queue, request, 3, 2 * i), OK);
        EXPECT_EQ(virtqueue_add(&queue, &in100, 1, 2 * i + 1), OK);
        EXPECT(!fake_virtqueue_next(&device, &chains[0])); // not yet published
        virtqueue_publish(&queue);
        EXPECT(fake_virtqueue_next(&device, &chains[0]) && fake_virtqueue_next(&device, &chains[1]));
        EXPECT(chains[0].count == 3 && chains[0].segments[2].address == 0x3000 && chains[1].count == 1);
        EXPECT(!chains[0].segments[0].is_for_device_to_write && chains[0].segments[1].is_for_device_to_write);
        fake_virtqueue_use(&device, chains[1].id, 100);
        fake_virtqueue_use(&device, chains[0].id, 513);
        EXPECT_EQ(virtqueue_take(&queue, &done), OK);
        EXPECT(done.token == 2 * i + 1 && done.length == 100);
        EXPECT_EQ(virtqueue_take(&queue, &done), OK);
        EXPECT(done.token == 2 * i && done.length == 513);
        EXPECT_EQ(virtqueue_take(&queue, &done), ERR_EMPTY);
    }
    EXPECT_EQ(queue.free_count, 8);
}

TEST("a full queue takes nothing more, and takes again once the device is through with some") {
    begin(4, 0);
    struct virtqueue_done done;
    EXPECT_EQ(virtqueue_add(&queue, request, 3, 1), OK);
    EXPECT_EQ(virtqueue_add(&queue, request, 3, 2), ERR_FULL);
    EXPECT_EQ(virtqueue_add(&queue, &in100, 1, 2), OK);
    EXPECT_EQ(virtqueue_add(&queue, &in100, 1, 3), ERR_FULL);
    EXPECT_EQ(virtqueue_add(&queue, &in100, 0, 3), ERR_INVALID_ARGUMENT);
    virtqueue_publish(&queue);
    fake_virtqueue_use(&device, 0, 0);
    EXPECT_EQ(virtqueue_take(&queue, &done), OK);
    EXPECT_EQ(virtqueue_add(&queue, request, 3, 3), OK);
}

TEST("an id that the device does not hold breaks the queue: too high, never given, inside a chain, used twice") {
    static const uint32_t ids[] = {8, UINT32_MAX, 7, 1};
    struct virtqueue_done done;
    for (unsigned i = 0; i < 4; i++) {
        begin(8, UINT16_MAX);
        EXPECT_EQ(virtqueue_add(&queue, request, 3, 1), OK);
        virtqueue_publish(&queue);
        fake_virtqueue_use(&device, ids[i], 0);
        EXPECT_EQ(virtqueue_take(&queue, &done), ERR_IO);
        EXPECT_EQ(queue.faults.ids, 1);
        fake_virtqueue_use(&device, 0, 0);
        EXPECT_EQ(virtqueue_take(&queue, &done), ERR_IO); // until it is begun anew
    }
    begin(8, 5);
    EXPECT_EQ(give(1), OK);
    EXPECT_EQ(give(2), OK);
    fake_virtqueue_use(&device, 0, 0);
    fake_virtqueue_use(&device, 0, 0);
    EXPECT_EQ(virtqueue_take(&queue, &done), OK);
    EXPECT_EQ(virtqueue_take(&queue, &done), ERR_IO);
}

TEST("a length beyond what the device may write breaks the queue") {
    static const uint32_t lengths[] = {101, UINT32_MAX, 1u << 31};
    struct virtqueue_done done;
    for (unsigned i = 0; i < 3; i++) {
        begin(8, 0);
        EXPECT_EQ(give(1), OK);
        fake_virtqueue_use(&device, 0, lengths[i]);
        EXPECT_EQ(virtqueue_take(&queue, &done), ERR_IO);
        EXPECT_EQ(queue.faults.lengths, 1);
    }
    static const struct virtqueue_segment out = {0x1000, 100, false};
    begin(8, 0);
    EXPECT_EQ(virtqueue_add(&queue, &out, 1, 1), OK);
    fake_virtqueue_use(&device, 0, 1);
    EXPECT_EQ(virtqueue_take(&queue, &done), ERR_IO);
}

TEST("a position that jumps beyond what the device holds breaks the queue, backwards too, near the wrap too") {
    static const uint16_t starts[] = {0, 3, UINT16_MAX, UINT16_MAX - 2};
    static const uint16_t jumps[] = {3, 8, 9, 300, 0x8000, UINT16_MAX};
    struct virtqueue_done done;
    for (unsigned i = 0; i < 24; i++) {
        begin(8, starts[i % 4]);
        EXPECT_EQ(give(1), OK);
        EXPECT_EQ(give(2), OK);
        fake_virtqueue_claim(&device, starts[i % 4] + jumps[i / 4]);
        EXPECT_EQ(virtqueue_take(&queue, &done), ERR_IO);
        EXPECT_EQ(queue.faults.positions, 1);
    }
}

TEST("what the device has shown it can't take back, across the wrap") {
    begin(4, UINT16_MAX);
    struct virtqueue_done done;
    EXPECT_EQ(give(1), OK);
    EXPECT_EQ(give(2), OK);
    fake_virtqueue_use(&device, 0, 0);
    fake_virtqueue_use(&device, 1, 0);
    EXPECT_EQ(virtqueue_take(&queue, &done), OK);
    fake_virtqueue_claim(&device, UINT16_MAX);
    EXPECT_EQ(virtqueue_take(&queue, &done), OK);
    EXPECT_EQ(done.token, 2);
    EXPECT_EQ(virtqueue_take(&queue, &done), ERR_IO); // and now it is two behind
    EXPECT_EQ(queue.faults.positions, 1);
}

TEST("the device is notified only when it asked for it, across the wrap") {
    begin(8, UINT16_MAX - 1);
    atomic_store(queue.available_event, UINT16_MAX); // wants to know of the second one
    EXPECT_EQ(virtqueue_add(&queue, &in100, 1, 1), OK);
    EXPECT(!virtqueue_publish(&queue));
    EXPECT(!virtqueue_publish(&queue)); // nothing new
    EXPECT_EQ(virtqueue_add(&queue, &in100, 1, 2), OK);
    EXPECT(virtqueue_publish(&queue));
    EXPECT_EQ(virtqueue_add(&queue, &in100, 1, 3), OK);
    EXPECT(!virtqueue_publish(&queue));
    fake_virtqueue_begin(&device, &queue, 8, 0, false);
    EXPECT_EQ(virtqueue_add(&queue, &in100, 1, 1), OK);
    EXPECT(virtqueue_publish(&queue));
    atomic_store(&queue.used[0], 1); // no notifications, please
    EXPECT_EQ(virtqueue_add(&queue, &in100, 1, 2), OK);
    EXPECT(!virtqueue_publish(&queue));
}

TEST("arming tells of what was done before it took effect") {
    begin(8, UINT16_MAX);
    struct virtqueue_done done;
    EXPECT_EQ(give(1), OK);
    EXPECT_EQ(give(2), OK);
    EXPECT(virtqueue_arm(&queue, 1));
    EXPECT_EQ(fake_virtqueue_used_event(&device), UINT16_MAX);
    EXPECT(virtqueue_arm(&queue, 2));
    EXPECT_EQ(fake_virtqueue_used_event(&device), 0);
    fake_virtqueue_use(&device, 0, 0);
    EXPECT(virtqueue_arm(&queue, 2));
    EXPECT(!virtqueue_arm(&queue, 1));
    EXPECT_EQ(virtqueue_take(&queue, &done), OK);
    EXPECT(virtqueue_arm(&queue, 1));
}

TEST("only sizes that are powers of two up to 256 make a queue, and its memory is cut up without overlap") {
    static const uint16_t bad[] = {0, 3, 257, 512, UINT16_MAX};
    alignas(64) static uint8_t memory[8192];
    for (unsigned i = 0; i < 5; i++) {
        EXPECT_EQ(virtqueue_begin(&queue, bad[i], memory, 0x1000, true), ERR_INVALID_ARGUMENT);
    }
    EXPECT_EQ(virtqueue_begin(&queue, 256, memory, 0x1008, true), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(virtqueue_begin(&queue, 256, memory, 0x1000, true), OK);
    EXPECT_EQ(queue.available_address - queue.descriptors_address, 4096);
    EXPECT(queue.used_address >= queue.available_address + 6 + 512);
    EXPECT((uint8_t *) (queue.available_event + 1) <= memory + virtqueue_bytes(256));
}

TEST("a device that writes garbage all the time never makes the driver see what it did not give") {
    uint64_t random = 88172645463325252ull;
    unsigned taken = 0;
    for (unsigned i = 0; i < 200000; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        if (queue.is_broken || i == 0) {
            begin(16, (uint16_t) random);
        }
        if (virtqueue_add(&queue, request, 1 + random % 3, i) == OK) {
            virtqueue_publish(&queue);
        }
        fake_virtqueue_use(&device, random >> 20 & 15, random >> 30 & 255);
        if (random >> 60 == 0) {
            fake_virtqueue_claim(&device, (uint16_t) (random >> 40));
        }
        struct virtqueue_done done;
        if (virtqueue_take(&queue, &done) == OK) {
            EXPECT(done.token <= i && done.length <= 513);
            taken++;
        }
        EXPECT(queue.free_count <= 16 && queue.in_flight <= 16);
    }
    EXPECT(taken > 1000);
}

// --- Both sides at once ---

enum { OVERWRITTEN_SIZE = 16, OVERWRITTEN_ROUNDS = 200000 };

static alignas(64) uint8_t overwritten[1024];
static _Atomic uint16_t driver_is_at;
static _Atomic bool is_over;

// Positions near the driver's, so that many are believed.
static void *overwrite_all_the_time(void *shared) {
    const struct virtqueue *view = shared;
    uint64_t random = 88172645463325252ull;
    while (!atomic_load(&is_over)) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        struct virtqueue_used_element *element = &view->used_ring[random % OVERWRITTEN_SIZE];
        atomic_store(&element->id, random >> 8 & (random % 8 == 0 ? 255 : OVERWRITTEN_SIZE - 1));
        atomic_store(&element->length, random >> 16 & 127);
        atomic_store(view->available_event, (uint16_t) (random >> 24));
        atomic_store(&view->used[0], (uint16_t) (random >> 32));
        atomic_store(&view->used[1], (uint16_t) (atomic_load(&driver_is_at) + (random >> 40) % 4));
    }
    return nullptr;
}

static void begin_overwritten(uint16_t position) {
    (void) !virtqueue_begin(&queue, OVERWRITTEN_SIZE, overwritten, 0x1000, position % 2 == 0);
    queue.next_available = queue.published = queue.next_used = queue.used_limit = position;
    atomic_store(&driver_is_at, position);
}

TEST("a device that overwrites everything meanwhile gives back nothing twice, and nothing that it was not given") {
    static bool is_given[OVERWRITTEN_ROUNDS];
    EXPECT(virtqueue_bytes(OVERWRITTEN_SIZE) <= sizeof(overwritten));
    begin_overwritten(UINT16_MAX - 5);
    struct virtqueue view = queue;
    struct host_thread *thread = host_thread_start(overwrite_all_the_time, &view);
    uint32_t wrong = 0, taken = 0;
    for (uint32_t token = 0; token < OVERWRITTEN_ROUNDS; token++) {
        struct virtqueue_done done;
        if (queue.is_broken) {
            begin_overwritten((uint16_t) (UINT16_MAX - token % 16));
        }
        is_given[token] = virtqueue_add(&queue, &in100, 1, token) == OK;
        (void) virtqueue_publish(&queue);
        for (unsigned count = 0; virtqueue_take(&queue, &done) == OK; count++) {
            wrong += count > OVERWRITTEN_SIZE || done.length > 100 || done.token > token || !is_given[done.token];
            is_given[done.token] = false;
            taken++;
        }
        (void) virtqueue_arm(&queue, 1);
        atomic_store(&driver_is_at, queue.next_used);
    }
    atomic_store(&is_over, true);
    host_thread_join(thread);
    EXPECT_EQ(wrong, 0);
    EXPECT(taken > 0);
}

enum { HAMMERED_CHAINS = 200000 };

static void *hammer_device(void *unused) {
    struct fake_chain chain;
    for (unsigned done = 0; done < HAMMERED_CHAINS;) {
        if (fake_virtqueue_next(&device, &chain)) {
            fake_virtqueue_use(&device, chain.id, done++ % 100);
        } else {
            host_yield();
        }
    }
    return unused;
}

TEST("driver and device pass hundreds of thousands of chains at the same time") {
    begin(64, UINT16_MAX - 1000);
    struct host_thread *thread = host_thread_start(hammer_device, nullptr);
    uint32_t given = 0, taken = 0, wrong = 0;
    while (taken < HAMMERED_CHAINS) {
        while (given < HAMMERED_CHAINS && virtqueue_add(&queue, &in100, 1, given) == OK) {
            given++;
        }
        virtqueue_publish(&queue);
        struct virtqueue_done done;
        while (virtqueue_take(&queue, &done) == OK) {
            wrong += done.token != taken || done.length != taken % 100;
            taken++;
        }
        host_yield();
    }
    host_thread_join(thread);
    EXPECT_EQ(wrong, 0);
    EXPECT(!queue.is_broken);
}
