// Tests of queues in folios, on a kernel that maps the same memory twice.
#include <ring/queue.h>
#include <starina/syscalls.h>
#include <test/host/fake_kernel.h>
#include <test/test.h>

static struct queue producer, consumer;
static folio_t folio;

static status_t join(uint32_t length) {
    return queue_join(&consumer, QUEUE_CONSUMER, length, folio);
}

TEST("a message passes through a folio, whose handles may be closed once both sides have mapped it") {
    uint32_t number = 7;
    fake_kernel_reset();
    size_t handles = fake_open_handles();
    EXPECT_EQ(queue_create(&producer, QUEUE_PRODUCER, 64, &folio), OK);
    EXPECT_EQ(join(64), OK);
    EXPECT_EQ(handle_close(folio.handle), OK);
    EXPECT_EQ(fake_open_handles(), handles);
    EXPECT_EQ(queue_put(&producer, &number, sizeof(number)), OK);
    queue_publish(&producer);
    number = 0;
    EXPECT_EQ(queue_take(&consumer, &number, sizeof(number)), OK);
    EXPECT_EQ(number, 7);
}

TEST("closing unmaps, and can be done twice") {
    fake_kernel_reset();
    size_t mappings = fake_mappings();
    EXPECT_EQ(queue_create(&producer, QUEUE_PRODUCER, QUEUE_LENGTH_MAX, &folio), OK);
    EXPECT_EQ(join(QUEUE_LENGTH_MAX), OK);
    EXPECT_EQ(fake_mappings(), mappings + 2);
    for (unsigned i = 0; i < 2; i++) {
        queue_close(&producer);
        queue_close(&consumer);
        EXPECT_EQ(fake_mappings(), mappings);
    }
}

TEST("a folio that is too small for the queue is refused, and so is what is no folio") {
    fake_kernel_reset();
    EXPECT_EQ(queue_create(&producer, QUEUE_PRODUCER, 4, &folio), OK);
    size_t mappings = fake_mappings();
    EXPECT_EQ(join(4), OK); // the rest of the page
    queue_close(&consumer);
    EXPECT_EQ(join(64), ERR_MALFORMED);
    EXPECT_EQ(join(QUEUE_LENGTH_MAX), ERR_MALFORMED);
    folio = (folio_t) {HANDLE_INVALID};
    EXPECT_EQ(join(4), ERR_BAD_HANDLE);
    EXPECT_EQ(fake_mappings(), mappings);
}

TEST("a length that is no power of two, or too large, makes no queue and leaves nothing open") {
    static const uint32_t wrong[] = {0, 3, 100, QUEUE_LENGTH_MAX + 1, 2 * QUEUE_LENGTH_MAX, UINT32_MAX};
    fake_kernel_reset();
    EXPECT_EQ(queue_create(&producer, QUEUE_PRODUCER, 64, &folio), OK);
    size_t handles = fake_open_handles();
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        folio_t unused;
        EXPECT_EQ(queue_create(&consumer, QUEUE_CONSUMER, wrong[i], &unused), ERR_INVALID_ARGUMENT);
        EXPECT_EQ(join(wrong[i]), ERR_INVALID_ARGUMENT);
    }
    EXPECT_EQ(fake_open_handles(), handles);
}
