// test-threads
// Tests of what all rings share: how far is believed, and that no wake-up is lost when both sides act at once.
#include <ring/ring.h>
#include <test/host/threads.h>
#include <test/test.h>

static struct ring ring;
static struct ring_end producer, consumer;

static void begin(uint32_t start) {
    ring_reset(&ring, start);
    producer = consumer = (struct ring_end) {start, start};
}

TEST("a tail is believed as far as there is room, across the wrap, and not a step further") {
    static const uint32_t starts[] = {0, 1, UINT32_MAX, UINT32_MAX - 3, INT32_MAX};
    for (unsigned i = 0; i < 5; i++) {
        for (uint32_t room = 0; room < 6; room++) {
            begin(starts[i]);
            EXPECT_EQ(ring_look(&ring, &consumer, room), ERR_EMPTY);
            atomic_store(&ring.tail, starts[i] + room + 1);
            EXPECT_EQ(ring_look(&ring, &consumer, room), ERR_MALFORMED);
            atomic_store(&ring.tail, starts[i] - 1);
            EXPECT_EQ(ring_look(&ring, &consumer, room), ERR_MALFORMED);
            EXPECT_EQ(consumer.limit, starts[i]);
            atomic_store(&ring.tail, starts[i] + room);
            EXPECT_EQ(ring_look(&ring, &consumer, room), room != 0 ? OK : ERR_EMPTY);
            EXPECT_EQ(consumer.limit, starts[i] + room);
        }
    }
}

TEST("a flag that the other side sets to anything means that it sleeps") {
    begin(0);
    producer.position++;
    atomic_store(&ring.is_asleep, UINT32_MAX);
    EXPECT(ring_is_awaited(&ring));
    EXPECT(ring_publish(&ring, &producer));
    EXPECT(!ring_is_awaited(&ring));
}

// --- Both sides at once ---

// Each processor holds back its own stores for a moment. If one of the two sides' stores were not seen by the other before
// it reads, then in some of these rounds the consumer would sleep and not be told.
enum { ROUNDS = 20000, SPINS = 2000 };

static _Atomic uint32_t turns[2]; // what each thread has come to
static bool was_told;

static void meet(unsigned self, uint32_t turn) {
    atomic_store(&turns[self], turn);
    for (uint32_t spins = 0; atomic_load(&turns[1 - self]) < turn; spins++) {
        if (spins > SPINS) {
            host_yield();
        }
    }
}

// So that now one side is first and now the other.
static void dawdle(uint32_t *state) {
    *state ^= *state << 13, *state ^= *state >> 17, *state ^= *state << 5;
    for (volatile uint32_t i = *state % 64; i > 0; i = i - 1) {
    }
}

static void *publish_each_round(void *unused) {
    uint32_t state = 1;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        producer.position++;
        meet(0, 2 * round + 1);
        dawdle(&state);
        was_told = ring_publish(&ring, &producer);
        meet(0, 2 * round + 2);
    }
    return unused;
}

TEST("when one side publishes while the other goes to sleep, it is told or stays awake") {
    begin(UINT32_MAX - ROUNDS / 2);
    struct host_thread *thread = host_thread_start(publish_each_round, nullptr);
    uint32_t overslept = 0, state = 2;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        meet(1, 2 * round + 1);
        dawdle(&state);
        bool sleeps = ring_sleep(&ring, &consumer);
        meet(1, 2 * round + 2);
        overslept += sleeps && !was_told;
        consumer.position++;
        atomic_store(&ring.is_asleep, 0);
    }
    host_thread_join(thread);
    EXPECT_EQ(overslept, 0);
}
