// Upcalls: whatever they do, and whether the kernel makes them or not, a call is answered as by a thread that waits.
#include "conformance.h"

enum { STACK_SIZE = 4 * PAGE_SIZE, CALLS = 200 };
enum : uint32_t { KIND_CALL = KIND_SEND & ~MESSAGE_CLASS_MASK };
enum : uint32_t { MXCSR_ROUND_DOWN = 0x3f80, X87_ROUND_DOWN = 0x077f, MXCSR_MODES = 0xffc0 };

// What a call asks for before it is answered.
enum work : uint64_t {
    NOTHING,
    A_SYSTEM_CALL,
    A_WAIT,
    A_LONG_TIME,
    A_HANDLE,
    A_LONG_REPLY,
    ANOTHER_CALL,
    NO_REPLY_YET,
    THE_END
};

struct server {
    struct pair pair; // b is its own
    poll_t poll, nothing;
    channel_t next; // that it calls
    thread_t thread;
    struct thread_buffer *buffer;
    struct message_header late; // of a call that is still to be answered
    bool is_replied;
    uint64_t control_words; // as an upcall found them
    _Atomic uint64_t upcalls, too_early, ended;
};

static struct server first, second;
static _Atomic bool is_held; // no call is to be answered

// --- Servers ---

static uint64_t control_words(void) {
    uint32_t mxcsr;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
    return (mxcsr & MXCSR_MODES) | (uint64_t) x87 << 32;
}

static void set_control_words(uint32_t mxcsr, uint16_t x87) {
    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" ::"m"(mxcsr), "m"(x87));
}

static uint64_t long_time; // in ticks of the time-stamp counter: more than a time slice

static void measure_long_time(void) {
    uint64_t begin = __builtin_ia32_rdtsc();
    nsec_t end = clock_ns() + 12 * NSEC_PER_MSEC;
    while (clock_ns() < end) {
    }
    long_time = __builtin_ia32_rdtsc() - begin;
}

static _Atomic uint64_t steps, steps_meanwhile; // of a thread that computes without end

static void compute(void) {
    uint64_t before = steps;
    uint64_t begin = __builtin_ia32_rdtsc();
    while (__builtin_ia32_rdtsc() - begin < long_time) {
    }
    steps_meanwhile = steps - before;
}

static void call_next(struct server *server) {
    struct message *out = &server->buffer->out;
    out->header = (struct message_header) {.kind = KIND_CALL, .length = 16};
    ((uint64_t *) out->data)[0] = NOTHING;
    (void) channel_call(server->next, DEADLINE_NEVER);
}

static void write_reply(struct server *server, const struct message_header *request, uint64_t word) {
    struct message *out = &server->buffer->out;
    out->header =
        (struct message_header) {.kind = request->kind | MESSAGE_REPLY, .transaction = request->transaction, .length = 16};
    ((uint64_t *) out->data)[0] = word;
    ((uint64_t *) out->data)[1] = ~word;
}

static void add_handle(struct server *server) {
    folio_t folio = {};
    (void) folio_create(PAGE_SIZE, 0, &folio);
    server->buffer->out.header.handle_count = 1;
    server->buffer->out.header.handles[0] = folio.handle;
}

static void answer_late(struct server *server) {
    write_reply(server, &server->late, NO_REPLY_YET);
    (void) channel_send(server->pair.b);
}

// False: there is no reply to it now.
static bool work(struct server *server) {
    struct message_header request = server->buffer->in.header;
    server->too_early += is_held;
    uint64_t wanted = ((const uint64_t *) server->buffer->in.data)[0];
    if (request.kind == KIND_SEND) {
        answer_late(server);
        return false;
    }
    switch ((enum work) wanted) {
    case A_SYSTEM_CALL:
        (void) clock_ns();
        break;
    case A_WAIT:
        (void) poll_wait(server->nothing, clock_ns() + NSEC_PER_MSEC);
        break;
    case A_LONG_TIME:
        compute();
        break;
    case ANOTHER_CALL:
        call_next(server);
        break;
    case THE_END:
        (void) handle_close(server->pair.b.handle);
        return false;
    case NO_REPLY_YET:
        server->late = request;
        return false;
    default:
        break;
    }
    write_reply(server, &request, wanted);
    if (wanted == A_HANDLE) {
        add_handle(server);
    }
    if (wanted == A_LONG_REPLY) {
        server->buffer->out.header.length = MESSAGE_DATA_MAX;
    }
    return true;
}

static bool answer_in_upcall(uint64_t key) {
    struct server *server = (struct server *) key;
    server->upcalls++;
    server->control_words = control_words();
    server->is_replied = work(server);
    return server->is_replied;
}

[[noreturn]] static void serve(uint64_t argument, struct thread_buffer *buffer) {
    struct server *server = (struct server *) argument;
    server->buffer = buffer;
    status_t status = poll_wait(server->poll, DEADLINE_NEVER);
    while (status == OK && buffer->event.kind != EVENT_CLOSED) {
        bool is_replied = buffer->event.kind == EVENT_UPCALL ? server->is_replied : work(server);
        status = is_replied ? channel_reply_wait(server->pair.b, server->poll, DEADLINE_NEVER)
                            : poll_wait(server->poll, DEADLINE_NEVER);
    }
    server->ended++;
    thread_exit();
}

static status_t start(struct server *server) {
    *server = (struct server) {};
    TRY(channel_pair(&server->pair));
    TRY(poll_create(&server->poll));
    TRY(poll_create(&server->nothing));
    TRY(poll_add(server->poll, server->pair.b.handle, (uint64_t) server));
    TRY(poll_set_upcall(server->poll, (uint64_t) answer_in_upcall));
    return thread_create((uint64_t) serve, STACK_SIZE, (uint64_t) server, &server->thread);
}

// True: its thread has ended, too.
static bool stop(struct server *server) {
    (void) handle_close(server->pair.a.handle);
    bool has_ended = comes_to(&server->ended, 1);
    (void) handle_close(server->pair.b.handle);
    (void) handle_close(server->poll.handle);
    (void) handle_close(server->nothing.handle);
    (void) handle_close(server->thread.handle);
    return has_ended;
}

// --- Callers ---

static status_t call_by(struct thread_buffer *buffer, const struct server *server, enum work wanted) {
    buffer->out.header = (struct message_header) {.kind = KIND_CALL, .length = 16};
    ((uint64_t *) buffer->out.data)[0] = wanted;
    ((uint64_t *) buffer->reply.data)[1] = 0;
    TRY(channel_call(server->pair.a, DEADLINE_NEVER));
    const uint64_t *words = (const uint64_t *) buffer->reply.data;
    return buffer->reply.header.kind == (KIND_CALL | MESSAGE_REPLY) && words[0] == wanted && words[1] == ~words[0]
               ? OK
               : ERR_MALFORMED;
}

static status_t call(const struct server *server, enum work wanted) {
    return call_by(thread_buffer, server, wanted);
}

static bool is_in_user_mode(void) {
    struct process_info info;
    return process_info((process_t) {HANDLE_INVALID}, &info) == OK && info.isolation == ISOLATION_USER;
}

TEST("calls are answered right whatever an upcall does, and in user mode none is made") {
    measure_long_time();
    EXPECT_EQ(start(&second), OK);
    EXPECT_EQ(start(&first), OK);
    first.next = second.pair.a;
    static const enum work works[] = {NOTHING, A_SYSTEM_CALL, A_WAIT, A_LONG_TIME, ANOTHER_CALL, A_LONG_REPLY};
    for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
        EXPECT_EQ(call(&first, NOTHING), OK);
        EXPECT_EQ(call(&first, works[i]), OK);
        EXPECT_EQ(message_reply()->header.length, works[i] == A_LONG_REPLY ? MESSAGE_DATA_MAX : 16);
    }
    EXPECT(!is_in_user_mode() || first.upcalls + second.upcalls == 0);
    EXPECT(stop(&first) && stop(&second));
}

TEST("a reply to an upcall's call may carry a handle") {
    uint64_t size;
    EXPECT_EQ(start(&first), OK);
    EXPECT_EQ(call(&first, A_HANDLE), OK);
    EXPECT_EQ(message_reply()->header.handle_count, 1);
    folio_t folio = {message_reply()->header.handles[0]};
    EXPECT_EQ(folio_info(folio, &size), OK);
    EXPECT_EQ(handle_close(folio.handle), OK);
    EXPECT(stop(&first));
}

TEST("messages of every length reach a poll that has an upcall") {
    EXPECT_EQ(start(&first), OK);
    for (uint16_t length = 8; length <= MESSAGE_DATA_MAX; length += 8) {
        struct message *out = message_out();
        out->header = (struct message_header) {.kind = KIND_CALL, .length = length};
        ((uint64_t *) out->data)[0] = NOTHING;
        EXPECT_EQ(channel_call(first.pair.a, length % 16 == 0 ? DEADLINE_NEVER : clock_ns() + NSEC_PER_SEC), OK);
        EXPECT_EQ(((const uint64_t *) message_reply()->data)[1], ~(uint64_t) NOTHING);
        EXPECT_EQ(first.buffer->in.header.length, length);
    }
    EXPECT(stop(&first));
}

static _Atomic uint64_t late_callers;
static _Atomic status_t late_status;

[[noreturn]] static void call_for_late_reply(uint64_t, struct thread_buffer *buffer) {
    late_callers++;
    status_t status;
    do { // the other one may be in a call
        status = call_by(buffer, &first, NO_REPLY_YET);
    } while (status == ERR_BUSY);
    late_status = status;
    late_callers++;
    thread_exit();
}

TEST("an upcall may leave the reply for later, while nobody else calls through that channel") {
    thread_t caller;
    late_callers = 0;
    late_status = ERR_STATE;
    EXPECT_EQ(poll_create(&second.nothing), OK);
    EXPECT_EQ(start(&first), OK);
    EXPECT_EQ(thread_create((uint64_t) call_for_late_reply, STACK_SIZE, 0, &caller), OK);
    EXPECT(comes_to(&late_callers, 1));
    status_t status = OK;
    for (uint32_t i = 0; i < 1000 && status == OK; i++) { // until that one is in its call
        status = call(&first, NOTHING);
        (void) poll_wait(second.nothing, clock_ns() + NSEC_PER_MSEC);
    }
    EXPECT_EQ(status, ERR_BUSY);
    message_out()->header = (struct message_header) {.kind = KIND_SEND, .length = 8};
    EXPECT_EQ(channel_send(first.pair.a), OK);
    EXPECT(comes_to(&late_callers, 2));
    EXPECT_EQ(late_status, OK);
    EXPECT_EQ(call(&first, NOTHING), OK);
    EXPECT(stop(&first));
    EXPECT_EQ(handle_close(caller.handle), OK);
    EXPECT_EQ(handle_close(second.nothing.handle), OK);
}

[[noreturn]] static void wait_shortly(uint64_t, struct thread_buffer *) { // so that the timer is set
    (void) poll_wait(second.nothing, clock_ns() + NSEC_PER_MSEC / 2);
    thread_exit();
}

TEST("a call ends at its deadline though the upcall goes on, and the late reply is nobody's") {
    measure_long_time();
    thread_t waiting;
    status_t status = OK;
    EXPECT_EQ(poll_create(&second.nothing), OK);
    EXPECT_EQ(start(&first), OK);
    for (size_t i = 0; i < 20 && status == OK; i++) { // again: the host may not run the CPU until both are over
        EXPECT_EQ(call(&first, A_WAIT), OK);
        EXPECT_EQ(thread_create((uint64_t) wait_shortly, STACK_SIZE, 0, &waiting), OK);
        EXPECT_EQ(call(&first, A_WAIT), OK);
        struct message *out = message_out();
        out->header = (struct message_header) {.kind = KIND_CALL, .length = 16};
        ((uint64_t *) out->data)[0] = A_LONG_TIME;
        status = channel_call(first.pair.a, clock_ns() + 2 * NSEC_PER_MSEC);
        EXPECT_EQ(handle_close(waiting.handle), OK);
    }
    EXPECT_EQ(status, ERR_TIMED_OUT);
    EXPECT_EQ(call(&first, NOTHING), OK);
    EXPECT(stop(&first));
    EXPECT_EQ(handle_close(second.nothing.handle), OK);
}

TEST("who calls is told when the upcall closes the channel") {
    EXPECT_EQ(start(&first), OK);
    EXPECT_EQ(call(&first, NOTHING), OK);
    EXPECT_EQ(call(&first, THE_END), ERR_CLOSED);
    EXPECT_EQ(handle_close(first.poll.handle), OK); // ends its wait
    EXPECT(comes_to(&first.ended, 1));
    EXPECT_EQ(handle_close(first.pair.a.handle), OK);
    EXPECT_EQ(handle_close(first.nothing.handle), OK);
    EXPECT_EQ(handle_close(first.thread.handle), OK);
}

TEST("an upcall finds the control words of the ABI, and leaves its caller the caller's") {
    EXPECT_EQ(start(&first), OK);
    uint64_t usual = control_words();
    for (size_t i = 0; i < 20; i++) {
        EXPECT_EQ(call(&first, NOTHING), OK);
        set_control_words(MXCSR_ROUND_DOWN, X87_ROUND_DOWN);
        status_t status = call(&first, i % 2 == 0 ? NOTHING : A_SYSTEM_CALL);
        uint64_t found = control_words();
        set_control_words((uint32_t) usual, (uint16_t) (usual >> 32));
        EXPECT_EQ(status, OK);
        EXPECT_EQ(found, MXCSR_ROUND_DOWN | (uint64_t) X87_ROUND_DOWN << 32);
        EXPECT(first.upcalls == 0 || first.control_words == usual);
    }
    EXPECT(stop(&first));
}

TEST("a call by no handle is refused, also after the channel of the last call is gone") {
    EXPECT_EQ(start(&first), OK);
    EXPECT_EQ(call(&first, NOTHING), OK);
    EXPECT(stop(&first));
    message_out()->header = (struct message_header) {.kind = KIND_CALL, .length = 16};
    EXPECT_EQ(channel_call((channel_t) {HANDLE_INVALID}, DEADLINE_NEVER), ERR_BAD_HANDLE);
    EXPECT_EQ(channel_call(first.pair.a, DEADLINE_NEVER), ERR_BAD_HANDLE);
}

// --- An upcall that refuses ---

static bool refuse(uint64_t) {
    return false;
}

static _Atomic uint64_t refused;

// Is answered by nobody until the channel is closed.
[[noreturn]] static void call_in_vain(uint64_t handle, struct thread_buffer *buffer) {
    channel_t channel = {(handle_t) handle};
    buffer->out.header = (struct message_header) {.kind = KIND_CALL, .length = MESSAGE_DATA_MAX + 1};
    (void) channel_send(channel); // can't be sent, but the kernel knows the handle now, as from an earlier call
    buffer->out.header.length = 16;
    (void) channel_call(channel, DEADLINE_NEVER);
    refused++;
    thread_exit();
}

TEST("an upcall that waits, and is called meanwhile in vain, still answers its own caller") {
    struct pair vain;
    thread_t caller;
    EXPECT_EQ(start(&first), OK);
    EXPECT_EQ(poll_set_upcall(first.nothing, (uint64_t) refuse), OK);
    for (size_t i = 0; i < 20; i++) {
        refused = 0;
        EXPECT_EQ(channel_pair(&vain), OK);
        EXPECT_EQ(poll_add(first.nothing, vain.b.handle, 0), OK);
        EXPECT_EQ(call(&first, NOTHING), OK);
        EXPECT_EQ(thread_create((uint64_t) call_in_vain, STACK_SIZE, vain.a.handle, &caller), OK);
        EXPECT_EQ(call(&first, A_WAIT), OK);
        EXPECT_EQ(call(&first, NOTHING), OK);
        pair_close(&vain);
        EXPECT(comes_to(&refused, 1));
        EXPECT_EQ(handle_close(caller.handle), OK);
    }
    EXPECT(stop(&first));
}

static _Atomic uint64_t words_after_wait;

[[noreturn]] static void wait_rounding_down(uint64_t poll, struct thread_buffer *) {
    set_control_words(MXCSR_ROUND_DOWN, X87_ROUND_DOWN);
    (void) poll_wait((poll_t) {(handle_t) poll}, DEADLINE_NEVER);
    words_after_wait = control_words();
    thread_exit();
}

TEST("a thread whose wait is ended by an upcall has its own control words") {
    struct pair pair;
    thread_t waiter, caller;
    poll_t poll, nothing;
    words_after_wait = 0;
    EXPECT_EQ(poll_create(&nothing), OK);
    EXPECT_EQ(channel_pair(&pair), OK);
    EXPECT_EQ(poll_create(&poll), OK);
    EXPECT_EQ(poll_add(poll, pair.b.handle, 0), OK);
    EXPECT_EQ(poll_set_upcall(poll, (uint64_t) refuse), OK);
    EXPECT_EQ(thread_create((uint64_t) wait_rounding_down, STACK_SIZE, poll.handle, &waiter), OK);
    EXPECT_EQ(poll_wait(nothing, clock_ns() + 5 * NSEC_PER_MSEC), ERR_TIMED_OUT); // it waits by then
    EXPECT_EQ(thread_create((uint64_t) call_in_vain, STACK_SIZE, pair.a.handle, &caller), OK);
    EXPECT(comes_to(&words_after_wait, MXCSR_ROUND_DOWN | (uint64_t) X87_ROUND_DOWN << 32));
    pair_close(&pair);
    EXPECT_EQ(handle_close(poll.handle), OK);
    EXPECT_EQ(handle_close(nothing.handle), OK);
    EXPECT_EQ(handle_close(waiter.handle), OK);
    EXPECT_EQ(handle_close(caller.handle), OK);
}

static status_t hold(bool by_pause) {
    is_held = true;
    return by_pause ? poll_pause(first.poll, first.pair.b, 1) : poll_remove(first.poll, first.pair.b.handle);
}

[[noreturn]] static void let_go(uint64_t by_pause, struct thread_buffer *) {
    (void) poll_wait(second.nothing, clock_ns() + 5 * NSEC_PER_MSEC);
    is_held = false;
    (void) (by_pause != 0 ? poll_pause(first.poll, first.pair.b, 0)
                          : poll_add(first.poll, first.pair.b.handle, (uint64_t) &first));
    thread_exit();
}

TEST("a paused channel, and one that is watched no longer, make no upcall") {
    thread_t thread;
    EXPECT_EQ(poll_create(&second.nothing), OK);
    EXPECT_EQ(start(&first), OK);
    for (uint64_t i = 0; i < 4; i++) {
        EXPECT_EQ(call(&first, A_WAIT), OK);
        EXPECT_EQ(hold(i % 2 == 1), OK);
        EXPECT_EQ(thread_create((uint64_t) let_go, STACK_SIZE, i % 2, &thread), OK);
        EXPECT_EQ(call(&first, NOTHING), OK);
        EXPECT_EQ(handle_close(thread.handle), OK);
    }
    EXPECT_EQ(first.too_early, 0);
    EXPECT_EQ(poll_set_upcall(first.poll, 0), OK);
    uint64_t upcalls = first.upcalls;
    EXPECT_EQ(call(&first, NOTHING), OK);
    EXPECT_EQ(first.upcalls, upcalls);
    EXPECT(stop(&first));
    EXPECT_EQ(handle_close(second.nothing.handle), OK);
}

TEST("an upcall is a poll's, and in its component's memory") {
    poll_t poll;
    struct pair pair;
    EXPECT_EQ(channel_pair(&pair), OK);
    EXPECT_EQ(poll_create(&poll), OK);
    EXPECT_EQ(poll_set_upcall(poll, 1), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(poll_set_upcall(poll, UINT64_MAX), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(poll_set_upcall((poll_t) {pair.a.handle}, (uint64_t) answer_in_upcall), ERR_WRONG_TYPE);
    EXPECT_EQ(handle_close(poll.handle), OK);
    EXPECT_EQ(poll_set_upcall(poll, (uint64_t) answer_in_upcall), ERR_BAD_HANDLE);
    pair_close(&pair);
}

// --- What it counts ---

static status_t own_info(struct process_info *info) {
    return process_info((process_t) {HANDLE_INVALID}, info);
}

TEST("messages, system calls and time are counted the same with upcalls and without") {
    struct process_info before, after;
    EXPECT_EQ(start(&first), OK);
    EXPECT_EQ(call(&first, A_WAIT), OK);
    nsec_t begin = clock_ns();
    EXPECT_EQ(own_info(&before), OK);
    for (size_t i = 0; i < CALLS; i++) {
        EXPECT_EQ(call(&first, i % 4 == 0 ? A_SYSTEM_CALL : NOTHING), OK);
    }
    EXPECT_EQ(own_info(&after), OK);
    nsec_t end = clock_ns();
    EXPECT_EQ(after.messages_sent - before.messages_sent, 2 * CALLS);
    EXPECT_EQ(after.messages_received - before.messages_received, 2 * CALLS);
    EXPECT_EQ(after.copied_bytes - before.copied_bytes, 2 * CALLS * 16);
    EXPECT(after.system_calls - before.system_calls >= CALLS &&
           after.system_calls - before.system_calls <= 2 * CALLS + CALLS / 4 + 10);
    EXPECT(after.cpu_ns - before.cpu_ns <= 2 * (end - begin) + NSEC_PER_MSEC);
    EXPECT(stop(&first));
    EXPECT_EQ(own_info(&before), OK); // the thread's counts stay its component's
    EXPECT(before.messages_sent >= after.messages_sent && before.messages_received >= after.messages_received);
}

// --- Others ---

static _Atomic uint64_t should_end;

[[noreturn]] static void count_steps(uint64_t, struct thread_buffer *) {
    while (should_end == 0) {
        steps++;
    }
    should_end = 2;
    thread_exit();
}

TEST("an upcall that computes without end leaves others their time") {
    thread_t counter;
    nsec_t deadline = clock_ns() + 10 * NSEC_PER_SEC;
    steps = steps_meanwhile = should_end = 0;
    EXPECT_EQ(start(&first), OK);
    EXPECT_EQ(thread_create((uint64_t) count_steps, STACK_SIZE, 0, &counter), OK);
    EXPECT_EQ(call(&first, NOTHING), OK);
    do { // again: a CPU may stand still that long if the host has other things to do
        EXPECT_EQ(call(&first, A_LONG_TIME), OK);
    } while (steps_meanwhile == 0 && clock_ns() < deadline);
    EXPECT(steps_meanwhile != 0);
    should_end = 1;
    EXPECT(comes_to(&should_end, 2));
    EXPECT_EQ(handle_close(counter.handle), OK);
    EXPECT(stop(&first));
}

static _Atomic uint64_t wrong_replies, callers_ended;

[[noreturn]] static void call_often(uint64_t server, struct thread_buffer *buffer) {
    for (size_t i = 0; i < 10 * CALLS; i++) {
        wrong_replies += call_by(buffer, (struct server *) server, i % 64 == 0 ? A_SYSTEM_CALL : NOTHING) != OK;
    }
    callers_ended++;
    thread_exit();
}

TEST("upcalls on several CPUs at once do not disturb each other") {
    thread_t callers[2];
    wrong_replies = callers_ended = 0;
    EXPECT_EQ(start(&first), OK);
    EXPECT_EQ(start(&second), OK);
    EXPECT_EQ(thread_create((uint64_t) call_often, STACK_SIZE, (uint64_t) &first, &callers[0]), OK);
    EXPECT_EQ(thread_create((uint64_t) call_often, STACK_SIZE, (uint64_t) &second, &callers[1]), OK);
    EXPECT(comes_to(&callers_ended, 2));
    EXPECT_EQ(wrong_replies, 0);
    EXPECT(stop(&first) && stop(&second));
    EXPECT_EQ(handle_close(callers[0].handle), OK);
    EXPECT_EQ(handle_close(callers[1].handle), OK);
}

// --- The x87's stack ---

static uint16_t x87_tags(void) {
    struct {
        uint16_t control, unused1, status, unused2, tags, unused3;
        uint32_t rest[4];
    } environment;
    __asm__ volatile("fnstenv %0\n\tfldcw %0" : "=m"(environment));
    return environment.tags;
}

// Long enough to be interrupted with three numbers in it.
static void use_x87(void) {
    __asm__ volatile("fld1\n\tfld1\n\tfld1" ::: "st", "st(1)", "st(2)");
    compute();
    __asm__ volatile("fstp %%st(0)\n\tfstp %%st(0)\n\tfstp %%st(0)" ::: "st", "st(1)", "st(2)");
}

TEST("who was interrupted with numbers in the x87's stack does not find them again after a call") {
    thread_t counter;
    steps = should_end = 0;
    measure_long_time();
    EXPECT_EQ(start(&first), OK);
    EXPECT_EQ(thread_create((uint64_t) count_steps, STACK_SIZE, 0, &counter), OK);
    for (size_t i = 0; i < 3; i++) {
        use_x87();
        struct message *out = message_out();
        out->header = (struct message_header) {.kind = KIND_CALL, .length = 16};
        ((uint64_t *) out->data)[0] = NO_REPLY_YET;
        EXPECT_EQ(channel_call(first.pair.a, clock_ns() + NSEC_PER_MSEC), ERR_TIMED_OUT);
        EXPECT_EQ(x87_tags(), UINT16_MAX); // all are empty
    }
    should_end = 1;
    EXPECT(comes_to(&should_end, 2));
    EXPECT_EQ(handle_close(counter.handle), OK);
    EXPECT(stop(&first));
}
