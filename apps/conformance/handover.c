// What the fast paths must keep: who gets a message, and that others get their time.
#include "conformance.h"

enum { STACK_SIZE = 4 * PAGE_SIZE };
enum : uint32_t { KIND_CALL = KIND_SEND & ~MESSAGE_CLASS_MASK };

static poll_t shared;
static channel_t served;
static _Atomic uint64_t received, ended, answered;

static void reset(void) {
    received = ended = answered = 0;
}

static status_t watched(struct pair *pair, uint64_t key) {
    TRY(channel_pair(pair));
    TRY(poll_create(&shared));
    return poll_add(shared, pair->b.handle, key);
}

static void tear_down(struct pair *pair) {
    (void) handle_close(shared.handle);
    pair_close(pair);
}

[[noreturn]] static void receive_until_closed(uint64_t, struct thread_buffer *) {
    while (poll_wait(shared, DEADLINE_NEVER) == OK) {
        received++;
    }
    ended++;
    thread_exit();
}

TEST("a thread that got a message runs, though the sender goes on computing") {
    struct pair pair;
    thread_t thread;
    reset();
    EXPECT_EQ(watched(&pair, 1), OK);
    EXPECT_EQ(thread_create((uint64_t) receive_until_closed, STACK_SIZE, 0, &thread), OK);
    for (uint32_t i = 1; i <= 20; i++) {
        write_message(KIND_SEND, 8);
        EXPECT_EQ(channel_send(pair.a), OK);
        EXPECT(comes_to(&received, i));
    }
    tear_down(&pair);
    EXPECT(comes_to(&ended, 1));
    EXPECT_EQ(handle_close(thread.handle), OK);
}

TEST("of several threads that wait on a poll, each message goes to one") {
    enum { THREADS = 3, MESSAGES = 60 };
    struct pair pair;
    thread_t threads[THREADS];
    reset();
    EXPECT_EQ(watched(&pair, 1), OK);
    for (size_t i = 0; i < THREADS; i++) {
        EXPECT_EQ(thread_create((uint64_t) receive_until_closed, STACK_SIZE, 0, &threads[i]), OK);
    }
    for (uint32_t i = 0; i < MESSAGES; i++) {
        write_message(KIND_SEND, i % 3 == 0 ? 100 : 16);
        status_t status = channel_send(pair.a);
        EXPECT(status == OK || status == ERR_FULL);
        i -= status == ERR_FULL;
    }
    EXPECT(comes_to(&received, MESSAGES));
    EXPECT_EQ(poll_wait(shared, clock_ns() + NSEC_PER_MSEC), ERR_TIMED_OUT);
    EXPECT_EQ(received, MESSAGES);
    tear_down(&pair);
    EXPECT(comes_to(&ended, THREADS));
    for (size_t i = 0; i < THREADS; i++) {
        EXPECT_EQ(handle_close(threads[i].handle), OK);
    }
}

// Answers each message with its own data, by one system call each, until the channel is closed.
[[noreturn]] static void answer_until_closed(uint64_t, struct thread_buffer *buffer) {
    status_t status = poll_wait(shared, DEADLINE_NEVER);
    while (status == OK && buffer->event.kind == EVENT_MESSAGE) {
        answered++;
        buffer->out.header = buffer->in.header;
        buffer->out.header.kind |= MESSAGE_REPLY;
        __builtin_memcpy(buffer->out.data, buffer->in.data, buffer->in.header.length);
        status = channel_reply_wait(served, shared, DEADLINE_NEVER);
    }
    ended++;
    thread_exit();
}

static bool is_echoed(uint16_t length) {
    const struct message *reply = message_reply();
    write_message(KIND_CALL, length);
    return reply->header.length == length && __builtin_memcmp(reply->data, message_out()->data, length) == 0;
}

TEST("a reply and the next wait in one call answer calls of every length, and with a deadline") {
    struct pair pair;
    thread_t thread;
    reset();
    EXPECT_EQ(watched(&pair, 1), OK);
    served = pair.b;
    EXPECT_EQ(thread_create((uint64_t) answer_until_closed, STACK_SIZE, 0, &thread), OK);
    const uint16_t lengths[] = {0, 1, 15, 16, 17, 48, 64, 65, 80, 112, 1000, MESSAGE_DATA_MAX};
    for (size_t i = 0; i < 2 * sizeof(lengths) / sizeof(lengths[0]); i++) {
        uint16_t length = lengths[i / 2];
        write_message(KIND_CALL, length);
        EXPECT_EQ(channel_call(pair.a, i % 2 == 0 ? DEADLINE_NEVER : clock_ns() + NSEC_PER_SEC), OK);
        EXPECT(is_echoed(length));
    }
    EXPECT_EQ(answered, 2 * sizeof(lengths) / sizeof(lengths[0]));
    EXPECT_EQ(handle_close(pair.a.handle), OK);
    EXPECT(comes_to(&ended, 1));
    EXPECT_EQ(handle_close(pair.b.handle), OK);
    EXPECT_EQ(handle_close(shared.handle), OK);
    EXPECT_EQ(handle_close(thread.handle), OK);
}

TEST("a reply that can't be sent does not wait, and a wait that can't be does not send") {
    struct pair pair;
    EXPECT_EQ(watched(&pair, 1), OK);
    write_message(KIND_SEND, 8);
    EXPECT_EQ(channel_reply_wait(pair.a, (poll_t) {pair.b.handle}, 0), ERR_WRONG_TYPE);
    EXPECT_EQ(channel_reply_wait(pair.a, (poll_t) {HANDLE_INVALID}, 0), ERR_BAD_HANDLE);
    EXPECT_EQ(channel_reply_wait((channel_t) {shared.handle}, shared, 0), ERR_WRONG_TYPE);
    EXPECT_EQ(poll_wait(shared, 0), ERR_TIMED_OUT);
    EXPECT_EQ(channel_reply_wait(pair.a, shared, 0), OK); // its own message
    EXPECT(is_message(KIND_SEND, 8));
    write_message(KIND_SEND, 8);
    EXPECT_EQ(channel_reply_wait(pair.b, shared, 0), ERR_TIMED_OUT); // sent, to an end that nobody watches
    status_t status = OK;
    while (status == OK) {
        write_message(KIND_SEND, 1000);
        status = channel_send(pair.a);
    }
    EXPECT_EQ(status, ERR_FULL);
    write_message(KIND_SEND, 1000);
    EXPECT_EQ(channel_reply_wait(pair.a, shared, DEADLINE_NEVER), ERR_FULL);
    EXPECT_EQ(handle_close(pair.b.handle), OK);
    EXPECT_EQ(channel_reply_wait(pair.a, shared, DEADLINE_NEVER), ERR_CLOSED);
    EXPECT_EQ(handle_close(pair.a.handle), OK);
    EXPECT_EQ(handle_close(shared.handle), OK);
}

static channel_t calling;

[[noreturn]] static void call_until_closed(uint64_t, struct thread_buffer *buffer) {
    do {
        buffer->out.header = (struct message_header) {.kind = KIND_CALL, .length = 32};
    } while (channel_call(calling, DEADLINE_NEVER) == OK);
    ended++;
    thread_exit();
}

TEST("threads that call each other without end leave others their time") {
    struct pair pair;
    thread_t server, client;
    poll_t own;
    reset();
    EXPECT_EQ(watched(&pair, 1), OK);
    EXPECT_EQ(poll_create(&own), OK);
    served = pair.b;
    calling = pair.a;
    EXPECT_EQ(thread_create((uint64_t) answer_until_closed, STACK_SIZE, 0, &server), OK);
    EXPECT_EQ(thread_create((uint64_t) call_until_closed, STACK_SIZE, 0, &client), OK);
    for (size_t i = 0; i < 5; i++) {
        nsec_t deadline = clock_ns() + 2 * NSEC_PER_MSEC;
        EXPECT_EQ(poll_wait(own, deadline), ERR_TIMED_OUT);
        EXPECT(clock_ns() < deadline + NSEC_PER_SEC);
    }
    EXPECT(answered > 0);
    EXPECT_EQ(handle_close(pair.b.handle), OK);
    EXPECT_EQ(handle_close(shared.handle), OK);
    EXPECT(comes_to(&ended, 2));
    EXPECT_EQ(handle_close(pair.a.handle), OK);
    EXPECT_EQ(handle_close(own.handle), OK);
    EXPECT_EQ(handle_close(server.handle), OK);
    EXPECT_EQ(handle_close(client.handle), OK);
}

// --- Registers ---

// The greatest of those that a wait does not keep, as it leaves them.
static uint64_t greatest_after_wait(poll_t poll, nsec_t deadline) {
    register uint64_t r12 __asm__("r12") = poll.handle, r13 __asm__("r13") = deadline, r14 __asm__("r14"), r15 __asm__("r15");
    uint64_t rbx, rdi = (uint64_t) kernel_calls->poll_wait;
    __asm__ volatile("call *%[wait]"
                     : "=b"(rbx), "+r"(r12), "+r"(r13), "=r"(r14), "=r"(r15), [wait] "+D"(rdi)
                     :
                     : "rax", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
    uint64_t found[] = {rbx, r12, r13, r14, r15}, greatest = 0;
    for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++) {
        greatest = found[i] > greatest ? found[i] : greatest;
    }
    return greatest;
}

TEST("a wait leaves nothing of the kernel's in registers in user mode") {
    struct process_info info;
    EXPECT_EQ(process_info((process_t) {HANDLE_INVALID}, &info), OK);
    poll_t own;
    EXPECT_EQ(poll_create(&own), OK);
    uint64_t at_once = greatest_after_wait(own, 0);
    uint64_t switched = greatest_after_wait(own, clock_ns() + NSEC_PER_MSEC);
    if (info.isolation == ISOLATION_USER) {
        EXPECT(at_once >> 47 == 0); // no address of the upper half
        EXPECT(switched >> 47 == 0);
    }
    EXPECT_EQ(handle_close(own.handle), OK);
}
