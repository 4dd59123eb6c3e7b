// test-threads
// Tests of the queue: order, wrap, flow control, lost wake-ups, and peers that lie.
#include <ring/queue.h>
#include <test/host/threads.h>
#include <test/test.h>

enum { LENGTH_MAX = 256, NEAR_WRAP = UINT32_MAX - 2 };

static alignas(64) uint8_t memory[sizeof(struct queue_memory) + LENGTH_MAX * QUEUE_MESSAGE_SIZE];
static struct queue_memory *const shared = (struct queue_memory *) (void *) memory;
static struct queue producer, consumer;

static void begin(uint32_t length, uint32_t start) {
    queue_reset(shared, start);
    queue_begin(&producer, shared, QUEUE_PRODUCER, length, start);
    queue_begin(&consumer, shared, QUEUE_CONSUMER, length, start);
}

struct line {
    uint64_t words[QUEUE_WORDS];
};

static struct line message_of(uint64_t number) {
    struct line message;
    for (unsigned i = 0; i < QUEUE_WORDS; i++) {
        message.words[i] = number + i;
    }
    return message;
}

static status_t put(uint64_t number) {
    struct line message = message_of(number);
    return queue_put(&producer, &message, sizeof(message));
}

// Is the next message that one?
static bool take(uint64_t number) {
    struct line message, expected = message_of(number);
    return queue_take(&consumer, &message, sizeof(message)) == OK &&
           __builtin_memcmp(&message, &expected, sizeof(message)) == 0;
}

static status_t take_any(void) {
    struct line message;
    return queue_take(&consumer, &message, sizeof(message));
}

TEST("messages arrive in order, many times around and across the counters' wrap, whatever the length") {
    for (uint32_t length = 1; length <= LENGTH_MAX; length *= 2) {
        begin(length, NEAR_WRAP - length);
        for (uint64_t round = 0; round < 10; round++) {
            for (uint64_t i = 0; i < length; i++) {
                EXPECT_EQ(put(round * length + i), OK);
            }
            EXPECT_EQ(put(0), ERR_FULL);
            EXPECT(!queue_publish(&producer));
            for (uint64_t i = 0; i < length; i++) {
                EXPECT(take(round * length + i));
            }
            EXPECT_EQ(take_any(), ERR_EMPTY);
            EXPECT(!queue_publish(&consumer));
        }
        EXPECT(producer.faults == 0 && consumer.faults == 0);
    }
}

TEST("nothing is seen before it is published: neither messages nor room") {
    begin(2, NEAR_WRAP);
    EXPECT_EQ(put(1), OK);
    EXPECT_EQ(take_any(), ERR_EMPTY);
    queue_publish(&producer);
    EXPECT_EQ(put(2), OK);
    EXPECT(take(1));
    EXPECT_EQ(take_any(), ERR_EMPTY);
    EXPECT_EQ(put(3), ERR_FULL);
    queue_publish(&consumer);
    EXPECT_EQ(put(3), OK);
    EXPECT_EQ(put(4), ERR_FULL);
    queue_publish(&producer);
    EXPECT(take(2) && take(3));
}

TEST("the consumer is told once per sleep, and only when it sleeps") {
    begin(4, NEAR_WRAP);
    EXPECT_EQ(put(1), OK);
    EXPECT(!queue_publish(&producer));
    EXPECT(!queue_sleep(&consumer)); // there is something
    EXPECT(take(1));
    EXPECT(queue_sleep(&consumer));
    EXPECT(!queue_publish(&producer)); // nothing new
    EXPECT_EQ(put(2), OK);
    EXPECT(queue_publish(&producer));
    EXPECT_EQ(put(3), OK);
    EXPECT(!queue_publish(&producer));
}

TEST("the producer is told once per sleep when there is room again") {
    begin(1, NEAR_WRAP);
    EXPECT(!queue_sleep(&producer)); // there is room
    EXPECT_EQ(put(1), OK);
    queue_publish(&producer);
    EXPECT(queue_sleep(&producer));
    EXPECT(!queue_publish(&consumer)); // nothing taken
    EXPECT(take(1));
    EXPECT(queue_publish(&consumer));
    EXPECT(!queue_publish(&consumer));
    EXPECT_EQ(put(2), OK);
}

TEST("shorter messages end in zeros, longer ones are refused, and so are the wrong side and a queue that is none") {
    uint8_t text[QUEUE_MESSAGE_SIZE + 1] = "a text", read[QUEUE_MESSAGE_SIZE + 1];
    begin(4, 0);
    for (uint64_t i = 0; i < 4; i++) { // so that the slots are not empty
        EXPECT_EQ(put(UINT64_MAX), OK);
    }
    queue_publish(&producer);
    while (take_any() == OK) {
    }
    queue_publish(&consumer);
    EXPECT_EQ(queue_put(&producer, text, QUEUE_MESSAGE_SIZE + 1), ERR_TOO_LARGE);
    EXPECT_EQ(queue_put(&consumer, text, 6), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(queue_put(&producer, text, 6), OK);
    EXPECT_EQ(queue_put(&producer, text, 0), OK);
    queue_publish(&producer);
    EXPECT_EQ(queue_take(&consumer, read, QUEUE_MESSAGE_SIZE + 1), ERR_TOO_LARGE);
    EXPECT_EQ(queue_take(&producer, read, 6), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(queue_take(&consumer, read, QUEUE_MESSAGE_SIZE), OK);
    EXPECT(__builtin_memcmp(read, text, QUEUE_MESSAGE_SIZE) == 0);
    EXPECT_EQ(queue_take(&consumer, read, 1), OK);
    EXPECT_EQ(read[0], 0);
    struct queue none = {};
    EXPECT_EQ(queue_put(&none, text, 6), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(queue_take(&none, read, 6), ERR_INVALID_ARGUMENT);
    EXPECT(!queue_publish(&none));
}

// --- Peers that lie ---

static const uint32_t starts[] = {0, 5, UINT32_MAX, NEAR_WRAP};

TEST("a producer that claims more than there was room for is refused, backwards too, near the wrap too") {
    for (unsigned i = 0; i < 4; i++) {
        begin(4, starts[i]);
        atomic_store(&shared->sent.tail, starts[i] + 5);
        EXPECT_EQ(take_any(), ERR_MALFORMED);
        atomic_store(&shared->sent.tail, starts[i] - 1);
        EXPECT_EQ(take_any(), ERR_MALFORMED);
        atomic_store(&shared->sent.tail, starts[i] + 4);
        for (unsigned taken = 0; taken < 4; taken++) {
            EXPECT_EQ(take_any(), OK);
        }
        atomic_store(&shared->sent.tail, starts[i] + 5); // that slot is not empty until the consumer says so
        EXPECT_EQ(take_any(), ERR_MALFORMED);
        queue_publish(&consumer);
        EXPECT_EQ(take_any(), OK);
        EXPECT_EQ(consumer.faults, 3);
    }
}

TEST("a consumer that claims more than was sent is refused, backwards too, near the wrap too") {
    for (unsigned i = 0; i < 4; i++) {
        begin(4, starts[i]);
        for (uint64_t number = 0; number < 4; number++) {
            EXPECT_EQ(put(number), OK);
        }
        atomic_store(&shared->taken.tail, starts[i] + 1); // nothing was published
        EXPECT_EQ(put(4), ERR_MALFORMED);
        queue_publish(&producer);
        EXPECT_EQ(put(4), OK);
        EXPECT_EQ(put(5), ERR_FULL);
        atomic_store(&shared->taken.tail, starts[i] + 5); // the fifth was not
        EXPECT_EQ(put(5), ERR_MALFORMED);
        atomic_store(&shared->taken.tail, starts[i]);
        EXPECT_EQ(put(5), ERR_MALFORMED);
        EXPECT_EQ(producer.faults, 3);
    }
}

static uint64_t random_state = 88172645463325252ull;

static uint64_t random_u64(uint64_t *state) {
    *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
    return *state;
}

// Near the counters that honest sides would have, so that many lies are believed.
static void overwrite_something(uint64_t *state, uint32_t around) {
    uint64_t random = random_u64(state);
    struct ring *ring = random % 2 == 0 ? &shared->sent : &shared->taken;
    atomic_store(&ring->tail, random % 8 == 7 ? (uint32_t) (random >> 32) : around + (uint32_t) (random >> 32) % 16 - 4);
    atomic_store(&ring->is_asleep, (uint32_t) (random >> 20));
    atomic_store_explicit(&shared->slots[random >> 8 & 7][random >> 16 & 7], random, memory_order_relaxed);
}

TEST("a peer that overwrites everything is believed within what it was given at most") {
    for (unsigned i = 0; i < 200000; i++) {
        if (i % 1000 == 0) {
            begin(8, (uint32_t) random_u64(&random_state));
        }
        overwrite_something(&random_state, producer.out_end.position);
        for (unsigned n = 0; n < 3; n++) {
            (void) put(i);
        }
        EXPECT(producer.out_end.position - producer.out_end.limit <= 8);
        queue_publish(&producer);
        overwrite_something(&random_state, consumer.in_end.position);
        for (unsigned n = 0; n < 3; n++) {
            (void) take_any();
        }
        EXPECT(consumer.out_end.position - consumer.out_end.limit <= 8);
        queue_publish(&consumer);
    }
    EXPECT(producer.faults > 1000 && consumer.faults > 1000);
}

static _Atomic uint32_t around; // where the honest sides are
static _Atomic bool is_over;

static void *overwrite_all_the_time(void *unused) {
    uint64_t state = 1;
    while (!atomic_load(&is_over)) {
        overwrite_something(&state, atomic_load(&around));
    }
    return unused;
}

// How many messages a side moves until it is refused. It ends by itself, as the queue is 8 long.
static uint32_t move_while_it_goes(status_t (*move)(void), struct queue *queue) {
    uint32_t count = 0;
    while (count < 100 && move() == OK) {
        count++;
    }
    atomic_store(&around, queue->out_end.position);
    queue_publish(queue);
    (void) queue_sleep(queue);
    return count;
}

static status_t put_any(void) {
    return put(0);
}

TEST("a thread that overwrites everything meanwhile makes no end run on without a stop") {
    begin(8, NEAR_WRAP);
    struct host_thread *thread = host_thread_start(overwrite_all_the_time, nullptr);
    uint32_t longest = 0, put = 0, taken = 0;
    bool is_refused = false; // each side, at least once
    for (unsigned i = 0; i < 100000 || put == 0 || taken == 0 || !is_refused; i++) {
        uint32_t in = move_while_it_goes(put_any, &producer), out = move_while_it_goes(take_any, &consumer);
        longest = in > longest ? in : longest;
        longest = out > longest ? out : longest;
        put += in;
        taken += out;
        is_refused = producer.faults > 0 && consumer.faults > 0;
    }
    atomic_store(&is_over, true);
    host_thread_join(thread);
    EXPECT(longest <= 8);
    EXPECT(producer.faults > 0 && consumer.faults > 0);
}

// --- Both sides at once ---

enum { HAMMERED_MESSAGES = 200000, HAMMERED_LENGTH = 16 };

// Doorbells, as a channel is one for each direction: rung by the one side, waited for by the other.
static _Atomic uint32_t bells[2];

static void await_bell(unsigned bell, uint32_t *heard) {
    while (atomic_load(&bells[bell]) == *heard) {
        host_yield();
    }
    *heard = atomic_load(&bells[bell]);
}

// Plain memory that goes along with each slot: whoever has the slot may use it, so that the thread sanitizer complains if the
// queue orders less than it promises.
static uint64_t beside[HAMMERED_LENGTH];

static void publish(struct queue *queue, unsigned bell) {
    if (queue_publish(queue)) {
        atomic_fetch_add(&bells[bell], 1);
    }
}

static void *hammer_producer(void *unused) {
    uint32_t heard = 0;
    for (uint64_t number = 0; number < HAMMERED_MESSAGES;) {
        status_t status = put(number);
        if (status == OK) {
            beside[number % HAMMERED_LENGTH] = number;
            if (++number % 7 == 0) {
                publish(&producer, QUEUE_CONSUMER - 1);
            }
            continue;
        }
        publish(&producer, QUEUE_CONSUMER - 1);
        if (status != ERR_FULL) {
            return (void *) 1;
        }
        if (queue_sleep(&producer)) {
            await_bell(QUEUE_PRODUCER - 1, &heard);
        }
    }
    publish(&producer, QUEUE_CONSUMER - 1);
    return unused;
}

TEST("two threads that both sleep pass hundreds of thousands of messages and lose neither one of them nor a wake-up") {
    begin(HAMMERED_LENGTH, UINT32_MAX - 1000);
    struct host_thread *thread = host_thread_start(hammer_producer, nullptr);
    uint32_t heard = 0, wrong = 0;
    for (uint64_t number = 0; number < HAMMERED_MESSAGES;) {
        struct line message, expected = message_of(number);
        status_t status = queue_take(&consumer, &message, sizeof(message));
        if (status == OK) {
            wrong += __builtin_memcmp(&message, &expected, sizeof(message)) != 0;
            wrong += beside[number % HAMMERED_LENGTH] != number;
            number++;
            continue;
        }
        EXPECT_EQ(status, ERR_EMPTY);
        publish(&consumer, QUEUE_PRODUCER - 1);
        if (queue_sleep(&consumer)) {
            await_bell(QUEUE_CONSUMER - 1, &heard);
        }
    }
    const void *failed = host_thread_join(thread);
    EXPECT_EQ(wrong, 0);
    EXPECT(failed == nullptr);
}
