// Channels and polls.
#include "conformance.h"

// A pair whose end b is watched with key 7.
static status_t watched_pair(struct pair *pair, poll_t *poll) {
    TRY(channel_pair(pair));
    TRY(poll_create(poll));
    return poll_add(*poll, pair->b.handle, 7);
}

static void tear_down(struct pair *pair, poll_t poll) {
    pair_close(pair);
    (void) handle_close(poll.handle);
}

TEST("a message arrives as it was sent, whatever its length") {
    struct pair pair;
    poll_t poll;
    EXPECT_EQ(watched_pair(&pair, &poll), OK);
    const uint16_t lengths[] = {0, 1, 63, 64, 65, 1000, MESSAGE_DATA_MAX};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        write_message(KIND_SEND, lengths[i]);
        EXPECT_EQ(channel_send(pair.a), OK);
        EXPECT_EQ(wait_for(poll, EVENT_MESSAGE, 7), OK);
        EXPECT(is_message(KIND_SEND, lengths[i]));
    }
    tear_down(&pair, poll);
}

TEST("messages keep their order around the queue's end") {
    struct pair pair;
    poll_t poll;
    EXPECT_EQ(watched_pair(&pair, &poll), OK);
    for (uint16_t i = 0; i < 100; i++) {
        for (uint16_t j = 0; j < 3; j++) {
            write_message(KIND_SEND + 16 * j, i * 3 + j);
            EXPECT_EQ(channel_send(pair.a), OK);
        }
        for (uint16_t j = 0; j < 3; j++) {
            EXPECT_EQ(wait_for(poll, EVENT_MESSAGE, 7), OK);
            EXPECT(is_message(KIND_SEND + 16 * j, i * 3 + j));
        }
    }
    tear_down(&pair, poll);
}

TEST("a full queue refuses, and room is told once there is some") {
    struct pair pair;
    poll_t poll;
    EXPECT_EQ(watched_pair(&pair, &poll), OK);
    EXPECT_EQ(poll_add(poll, pair.a.handle, 8), OK);
    size_t sent = 0;
    status_t status = OK;
    while (status == OK && sent < QUEUE_SIZE) {
        write_message(KIND_SEND, 500);
        status = channel_send(pair.a);
        sent += status == OK;
    }
    EXPECT_EQ(status, ERR_FULL);
    EXPECT(sent >= 4);
    for (size_t i = 0; i < sent; i++) {
        EXPECT_EQ(poll_remove(poll, pair.a.handle), OK);
        EXPECT_EQ(wait_for(poll, EVENT_MESSAGE, 7), OK);
        EXPECT_EQ(poll_add(poll, pair.a.handle, 8), OK);
    }
    EXPECT_EQ(wait_for(poll, EVENT_WRITABLE, 8), OK);
    EXPECT_EQ(poll_wait(poll, 0), ERR_TIMED_OUT);
    tear_down(&pair, poll);
}

TEST("an end that waits for room learns that its peer went") {
    struct pair pair;
    poll_t poll;
    EXPECT_EQ(channel_pair(&pair), OK);
    EXPECT_EQ(poll_create(&poll), OK);
    EXPECT_EQ(poll_add(poll, pair.a.handle, 8), OK);
    EXPECT_EQ(poll_pause(poll, pair.a, 1), OK);
    write_message(KIND_SEND, 1);
    EXPECT_EQ(channel_send(pair.b), OK);
    status_t status = OK;
    while (status == OK) {
        write_message(KIND_SEND, 1000);
        status = channel_send(pair.a);
    }
    EXPECT_EQ(status, ERR_FULL);
    EXPECT_EQ(poll_wait(poll, 0), ERR_TIMED_OUT);
    EXPECT_EQ(handle_close(pair.b.handle), OK);
    EXPECT_EQ(wait_for(poll, EVENT_WRITABLE, 8), OK);
    EXPECT_EQ(channel_send(pair.a), ERR_CLOSED);
    EXPECT_EQ(poll_pause(poll, pair.a, 0), OK);
    EXPECT_EQ(wait_for(poll, EVENT_MESSAGE, 8), OK);
    EXPECT_EQ(wait_for(poll, EVENT_CLOSED, 8), OK);
    EXPECT_EQ(handle_close(pair.a.handle), OK);
    EXPECT_EQ(handle_close(poll.handle), OK);
}

TEST("a paused channel's messages wait for it") {
    struct pair pair;
    poll_t poll;
    EXPECT_EQ(watched_pair(&pair, &poll), OK);
    EXPECT_EQ(poll_pause(poll, pair.b, 1), OK);
    write_message(KIND_SEND, 9);
    EXPECT_EQ(channel_send(pair.a), OK);
    EXPECT_EQ(poll_wait(poll, 0), ERR_TIMED_OUT);
    EXPECT_EQ(poll_pause(poll, pair.b, 0), OK);
    EXPECT_EQ(wait_for(poll, EVENT_MESSAGE, 7), OK);
    EXPECT(is_message(KIND_SEND, 9));
    EXPECT_EQ(poll_pause(poll, pair.b, 2), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(poll_pause(poll, pair.a, 1), ERR_NOT_FOUND);
    tear_down(&pair, poll);
}

TEST("what was sent before the sender closed still arrives, then that it closed, once") {
    struct pair pair;
    poll_t poll;
    EXPECT_EQ(watched_pair(&pair, &poll), OK);
    write_message(KIND_SEND, 3);
    EXPECT_EQ(channel_send(pair.a), OK);
    EXPECT_EQ(handle_close(pair.a.handle), OK);
    EXPECT_EQ(wait_for(poll, EVENT_MESSAGE, 7), OK);
    EXPECT_EQ(wait_for(poll, EVENT_CLOSED, 7), OK);
    EXPECT_EQ(poll_wait(poll, 0), ERR_TIMED_OUT);
    EXPECT_EQ(channel_send(pair.b), ERR_CLOSED);
    EXPECT_EQ(handle_close(pair.b.handle), OK);
    EXPECT_EQ(handle_close(poll.handle), OK);
}

TEST("handles move with a message, and stay on failure") {
    struct pair pair, cargo;
    poll_t poll;
    EXPECT_EQ(watched_pair(&pair, &poll), OK);
    EXPECT_EQ(channel_pair(&cargo), OK);
    write_message(KIND_SEND, 0);
    message_out()->header.handle_count = 2;
    message_out()->header.handles[0] = cargo.a.handle;
    message_out()->header.handles[1] = cargo.a.handle;
    EXPECT_EQ(channel_send(pair.a), ERR_INVALID_ARGUMENT);
    message_out()->header.handles[1] = pair.a.handle;
    EXPECT_EQ(channel_send(pair.a), ERR_INVALID_ARGUMENT);
    message_out()->header.handle_count = 1;
    EXPECT_EQ(channel_send(pair.a), OK);
    EXPECT_EQ(handle_close(cargo.a.handle), ERR_BAD_HANDLE);
    EXPECT_EQ(wait_for(poll, EVENT_MESSAGE, 7), OK);
    EXPECT_EQ(thread_buffer->in.header.handle_count, 1);
    cargo.a.handle = thread_buffer->in.header.handles[0];
    write_message(KIND_SEND, 5);
    EXPECT_EQ(channel_send(cargo.a), OK);
    EXPECT_EQ(poll_add(poll, cargo.b.handle, 9), OK);
    EXPECT_EQ(wait_for(poll, EVENT_MESSAGE, 9), OK);
    pair_close(&cargo);
    tear_down(&pair, poll);
}

TEST("a message that is too long, or has too many handles, is refused") {
    struct pair pair;
    EXPECT_EQ(channel_pair(&pair), OK);
    write_message(KIND_SEND, 0);
    message_out()->header.length = MESSAGE_DATA_MAX + 1;
    EXPECT_EQ(channel_send(pair.a), ERR_INVALID_ARGUMENT);
    write_message(KIND_SEND, 0);
    message_out()->header.handle_count = MESSAGE_HANDLES_MAX + 1;
    EXPECT_EQ(channel_send(pair.a), ERR_INVALID_ARGUMENT);
    pair_close(&pair);
}

TEST("a call that nobody answers ends at its deadline") {
    struct pair pair;
    EXPECT_EQ(channel_pair(&pair), OK);
    write_message(1 << 16 | MESSAGE_CALL, 4);
    nsec_t before = clock_ns();
    EXPECT_EQ(channel_call(pair.a, before + 2 * NSEC_PER_MSEC), ERR_TIMED_OUT);
    EXPECT(clock_ns() >= before + 2 * NSEC_PER_MSEC);
    pair_close(&pair);
}

static channel_t called;
static _Atomic status_t call_status;
static _Atomic unsigned calls_ended;

[[noreturn]] static void call_briefly(uint64_t argument, struct thread_buffer *buffer) {
    (void) argument;
    uint64_t now = 0;
    buffer->out.header = (struct message_header) {.kind = KIND_SEND & ~MESSAGE_CLASS_MASK};
    call_status = clock_now(&now) == OK ? channel_call(called, now + NSEC_PER_MSEC / 2) : ERR_STATE;
    calls_ended++;
    thread_exit();
}

// The caller can't run at its deadline where this thread has the CPU: the reply then finds a call that is over.
static status_t reply_late(poll_t poll, struct pair *pair) {
    TRY(wait_for(poll, EVENT_MESSAGE, 7));
    uint32_t transaction = thread_buffer->in.header.transaction;
    uint64_t now = clock_ns(), until = now + 2 * NSEC_PER_MSEC;
    while (now < until) {
        now = clock_ns();
    }
    struct message *out = message_out();
    wire_write(out, (KIND_SEND & ~MESSAGE_CLASS_MASK) | MESSAGE_REPLY);
    out->header.transaction = transaction;
    return channel_send(pair->b);
}

TEST("a call that timed out is over once, whether a reply or the channel's end comes late") {
    for (unsigned round = 0; round < 20; round++) {
        struct pair pair;
        poll_t poll;
        thread_t thread;
        EXPECT_EQ(watched_pair(&pair, &poll), OK);
        called = pair.a;
        calls_ended = 0;
        EXPECT_EQ(thread_create((uint64_t) call_briefly, 4 * PAGE_SIZE, 0, &thread), OK);
        EXPECT_EQ(reply_late(poll, &pair), OK);
        if (round % 2 == 1) {
            pair_close(&pair);
        }
        uint64_t until = clock_ns() + NSEC_PER_SEC;
        while (calls_ended == 0 && clock_ns() < until) {
            EXPECT_EQ(poll_wait(poll, clock_ns() + NSEC_PER_MSEC), ERR_TIMED_OUT);
        }
        EXPECT_EQ(calls_ended, 1);
        EXPECT(call_status == ERR_TIMED_OUT || call_status == OK); // the host may have held the timer back
        EXPECT_EQ(handle_close(thread.handle), OK);
        (void) handle_close(poll.handle);
        pair_close(&pair);
    }
}

TEST("objects in a poll take turns") {
    struct pair first, second;
    poll_t poll;
    EXPECT_EQ(watched_pair(&first, &poll), OK);
    EXPECT_EQ(channel_pair(&second), OK);
    EXPECT_EQ(poll_add(poll, second.b.handle, 8), OK);
    for (size_t i = 0; i < 2; i++) {
        write_message(KIND_SEND, 1);
        EXPECT_EQ(channel_send(first.a), OK);
    }
    EXPECT_EQ(channel_send(second.a), OK);
    EXPECT_EQ(wait_for(poll, EVENT_MESSAGE, 7), OK);
    EXPECT_EQ(wait_for(poll, EVENT_MESSAGE, 8), OK);
    EXPECT_EQ(wait_for(poll, EVENT_MESSAGE, 7), OK);
    pair_close(&second);
    tear_down(&first, poll);
}

TEST("an object is in one poll at a time") {
    struct pair pair;
    poll_t poll, other;
    EXPECT_EQ(watched_pair(&pair, &poll), OK);
    EXPECT_EQ(poll_create(&other), OK);
    EXPECT_EQ(poll_add(other, pair.b.handle, 1), ERR_BUSY);
    EXPECT_EQ(poll_remove(other, pair.b.handle), ERR_NOT_FOUND);
    EXPECT_EQ(poll_remove(poll, pair.b.handle), OK);
    EXPECT_EQ(poll_add(other, pair.b.handle, 1), OK);
    EXPECT_EQ(poll_add(other, poll.handle, 1), ERR_WRONG_TYPE);
    EXPECT_EQ(handle_close(other.handle), OK);
    tear_down(&pair, poll);
}
