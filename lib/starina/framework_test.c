// The framework against a fake kernel: the tests are the supervisor, the clients and the servers.
#include <probe.client.h>
#include <probe.server.h>

#include <supervisor.h>
#include <test/host/fake_kernel.h>
#include <test/test.h>

// --- The component under test: provides probe, and calls another probe ---

enum { WAITING_MAX = 4, CLIENTS = 3 };

struct client {
    uint32_t requests;
};

static probe_later_token_t waiting[WAITING_MAX];
static size_t waiting_count, disconnects, writables;
static folio_t kept;
static status_t start_status;

static status_t probe_add(struct client *client, const struct probe_add *request, struct probe_add_reply *reply) {
    client->requests++;
    if (request->a > UINT32_MAX - request->b) {
        return ERR_INVALID_ARGUMENT;
    }
    reply->sum = request->a + request->b;
    return OK;
}

static status_t probe_every(struct client *client, const struct probe_every *request, struct probe_every_reply *reply) {
    client->requests++;
    *reply = (struct probe_every_reply) {.text = request->text, .folio = folio_take(&request->folio)};
    reply->channel = channel_take(&request->channel);
    return request->flag ? OK : ERR_BUSY;
}

static status_t probe_later(struct client *client, struct probe_later_reply *reply) {
    (void) reply;
    if (waiting_count == WAITING_MAX) {
        return PENDING; // without a deferral: the framework has to answer
    }
    waiting[waiting_count++] = probe_later_defer(client);
    return PENDING;
}

static status_t probe_release(struct client *client) {
    (void) client;
    struct probe_later_reply reply = {.text = BYTES("at last")};
    probe_later_complete(waiting[--waiting_count], OK, &reply);
    return OK;
}

static status_t probe_keep(struct client *client, const struct probe_keep *request) {
    (void) client;
    if (request->keep) {
        kept = folio_take(&request->folio);
    }
    return OK;
}

static status_t probe_fail(struct client *client) {
    (void) client;
    return ERR_STATE;
}

static status_t start(void) {
    return start_status;
}

static void disconnected(struct client *client) {
    (void) client;
    disconnects++;
}

static void writable(struct client *client) {
    (void) client;
    writables++;
}

COMPONENT(framework_test, .clients = CLIENTS, .deferred = WAITING_MAX, .start = start, .on_disconnect = disconnected,
          .on_writable = writable);

// --- What the tests do ---

[[noreturn]] void component_main(void);
status_t component_prepare(void);

static handle_t sent_handle; // any object

static void give(const struct message *message) {
    fake_send(fake_bootstrap(), message);
}

static void give_start(void) {
    struct message message;
    struct supervisor_start start_event = {.name = BYTES("probe_1"), .config = BYTES("port=80\nroot=/site\nport=8080\n")};
    if (supervisor_start_encode(&start_event, &message) == OK) {
        give(&message);
    }
}

static channel_t give_client(void) {
    channel_t theirs, ours;
    fake_channel_pair(&theirs, &ours);
    struct message message;
    struct supervisor_connect event = {.service = BYTES("probe"), .channel = theirs};
    if (supervisor_connect_encode(&event, &message) == OK) {
        give(&message);
    }
    return ours;
}

static channel_t give_service(void) {
    channel_t theirs, ours;
    fake_channel_pair(&theirs, &ours);
    struct message message;
    struct supervisor_service event = {.service = BYTES("probe"), .channel = theirs};
    if (supervisor_service_encode(&event, &message) == OK) {
        give(&message);
    }
    return ours;
}

static void set_up(void) {
    fake_kernel_reset();
    if (component_prepare() != OK) {
        test_fail(__FILE__, __LINE__, "a component that starts");
    }
    channel_t unused;
    channel_t any;
    fake_channel_pair(&any, &unused);
    sent_handle = any.handle;
}

static channel_t set_up_with_client(void) {
    set_up();
    give_start();
    channel_t client = give_client();
    fake_run();
    return client;
}

static void send_add(channel_t client, uint32_t transaction, uint32_t a, uint32_t b) {
    struct message message;
    struct probe_add request = {a, b};
    if (probe_add_encode(&request, &message) == OK) {
        message.header.transaction = transaction;
        fake_send(client, &message);
    }
}

static bool receive_sum(channel_t client, uint32_t transaction, uint32_t sum) {
    struct message message;
    struct probe_add_reply reply;
    return fake_receive(client, &message) && message.header.transaction == transaction &&
           message.header.kind == (PROBE_ADD | MESSAGE_REPLY) && probe_add_reply_decode(&message, &reply) == OK &&
           reply.sum == sum;
}

static bool receive_status(channel_t client, status_t status) {
    struct message message;
    return fake_receive(client, &message) && message.header.status == status && message.header.length == 0 &&
           (message.header.kind & MESSAGE_CLASS_MASK) == MESSAGE_REPLY;
}

static void send_empty(channel_t client, uint32_t kind) {
    struct message message = {.header = {.kind = kind, .transaction = 5}};
    fake_send(client, &message);
}

// --- Start ---

TEST("a component says that it is ready after start, and knows its name and configuration") {
    set_up();
    give_start();
    fake_run();
    struct message message;
    EXPECT(fake_receive(fake_bootstrap(), &message));
    EXPECT_EQ(message.header.kind, SUPERVISOR_READY);
    EXPECT(bytes_equal(bytes_from_string(component_name()), BYTES("probe_1")));
    EXPECT_EQ(config_u64("port", 1), 8080);
    EXPECT(bytes_equal(config_bytes("root", BYTES("")), BYTES("/site")));
    EXPECT_EQ(config_u64("root", 7), 7);
    EXPECT_EQ(config_u64("por", 7), 7);
}

TEST("an error from start ends the component") {
    set_up();
    start_status = ERR_IO;
    give_start();
    fake_run();
    int64_t code;
    EXPECT(fake_exited(&code));
    EXPECT_EQ(code, 1);
}

TEST("a component ends with its supervisor") {
    set_up_with_client();
    fake_close(fake_bootstrap());
    fake_run();
    int64_t code;
    EXPECT(fake_exited(&code));
}

TEST("a client that came before start is served after it") {
    set_up();
    channel_t client = give_client();
    send_add(client, 1, 2, 3);
    fake_run();
    struct message message;
    EXPECT(!fake_receive(client, &message));
    give_start();
    fake_run();
    EXPECT(receive_sum(client, 1, 5));
}

TEST("a client of a service that is not provided is refused") {
    set_up();
    give_start();
    channel_t theirs, ours;
    fake_channel_pair(&theirs, &ours);
    struct message message;
    struct supervisor_connect event = {.service = BYTES("bank"), .channel = theirs};
    EXPECT_EQ(supervisor_connect_encode(&event, &message), OK);
    give(&message);
    fake_run();
    EXPECT(!fake_is_open(theirs.handle));
}

TEST("clients beyond the limit are refused, and a place that came free is given again") {
    channel_t first = set_up_with_client();
    give_client();
    give_client();
    size_t open = fake_open_handles();
    give_client();
    fake_run();
    EXPECT_EQ(component_counters.refused_clients, 1);
    EXPECT_EQ(fake_open_handles(), open + 1);
    fake_close(first);
    fake_run();
    EXPECT_EQ(disconnects, 1);
    channel_t again = give_client();
    send_add(again, 9, 1, 1);
    fake_run();
    EXPECT(receive_sum(again, 9, 2));
}

// --- Requests ---

TEST("a call is answered with its transaction, an error without data") {
    channel_t client = set_up_with_client();
    send_add(client, 77, 40, 2);
    send_add(client, 78, UINT32_MAX, 1);
    fake_run();
    EXPECT(receive_sum(client, 77, 42));
    EXPECT(receive_status(client, ERR_INVALID_ARGUMENT));
}

TEST("an unknown or malformed call gets an error and the connection goes on") {
    channel_t client = set_up_with_client();
    send_empty(client, PROBE_INTERFACE | 100 << 2 | MESSAGE_CALL);
    send_empty(client, PROBE_ADD);
    send_add(client, 1, 1, 1);
    fake_run();
    EXPECT(receive_status(client, ERR_NOT_SUPPORTED));
    EXPECT(receive_status(client, ERR_MALFORMED));
    EXPECT(receive_sum(client, 1, 2));
    EXPECT_EQ(component_counters.malformed, 2);
}

TEST("an unknown, malformed or refused send ends the connection") {
    const uint32_t kinds[] = {PROBE_INTERFACE | 100 << 2 | MESSAGE_SEND, PROBE_KEEP, PROBE_FAIL, PROBE_CHANGED};
    channel_t client = set_up_with_client();
    for (size_t i = 0; i < 4; i++) {
        size_t open = fake_open_handles();
        send_empty(client, kinds[i]);
        fake_run();
        EXPECT_EQ(disconnects, i + 1);
        EXPECT_EQ(fake_open_handles(), open - 1);
        client = give_client();
        fake_run();
    }
}

TEST("a reply that nobody waits for is dropped and counted") {
    channel_t client = set_up_with_client();
    send_empty(client, PROBE_ADD | MESSAGE_REPLY);
    fake_run();
    EXPECT_EQ(component_counters.malformed, 1);
    EXPECT_EQ(disconnects, 0);
}

TEST("a handle is closed after the handler unless it was taken") {
    channel_t client = set_up_with_client();
    struct message message;
    struct probe_keep request = {.folio = {sent_handle}, .keep = true};
    EXPECT_EQ(probe_keep_encode(&request, &message), OK);
    fake_send(client, &message);
    fake_run();
    EXPECT(fake_is_open(sent_handle));
    EXPECT_EQ(kept.handle, sent_handle);
    message.data[0] = 0;
    fake_send(client, &message);
    fake_run();
    EXPECT(!fake_is_open(sent_handle));
}

TEST("handles of a message that is not understood are closed") {
    channel_t client = set_up_with_client();
    struct message message = {.header = {.kind = PROBE_ADD, .handle_count = 1, .handles = {sent_handle}}};
    fake_send(client, &message);
    fake_run();
    EXPECT(!fake_is_open(sent_handle));
}

TEST("handles in a reply are closed if the reply is an error") {
    channel_t client = set_up_with_client();
    channel_t other, unused;
    fake_channel_pair(&other, &unused);
    struct message message;
    struct probe_every request = {.text = BYTES("x"), .folio = {sent_handle}, .channel = other};
    EXPECT_EQ(probe_every_encode(&request, &message), OK);
    fake_send(client, &message);
    fake_run();
    EXPECT(receive_status(client, ERR_BUSY));
    EXPECT(!fake_is_open(sent_handle) && !fake_is_open(other.handle));
}

// --- Deferred replies ---

TEST("a deferred call is answered later, and other calls before it") {
    channel_t client = set_up_with_client();
    send_empty(client, PROBE_LATER);
    send_add(client, 1, 1, 1);
    send_empty(client, PROBE_RELEASE);
    fake_run();
    EXPECT(receive_sum(client, 1, 2));
    struct message message;
    struct probe_later_reply reply;
    EXPECT(fake_receive(client, &message));
    EXPECT_EQ(message.header.transaction, 5);
    EXPECT_EQ(probe_later_reply_decode(&message, &reply), OK);
    EXPECT(bytes_equal(reply.text, BYTES("at last")));
}

TEST("a handler that defers nothing and answers PENDING still gets its caller an answer") {
    channel_t client = set_up_with_client();
    for (size_t i = 0; i < WAITING_MAX + 1; i++) {
        send_empty(client, PROBE_LATER);
    }
    fake_run();
    EXPECT(receive_status(client, ERR_LIMIT));
}

TEST("completing a deferred call whose client has left is harmless, as is doing it twice") {
    channel_t client = set_up_with_client();
    send_empty(client, PROBE_LATER);
    fake_run();
    probe_later_token_t token = waiting[0];
    fake_close(client);
    fake_run();
    channel_t next = give_client();
    fake_run();
    struct probe_later_reply reply = {.text = BYTES("too late")};
    probe_later_complete(token, OK, &reply);
    struct message message;
    EXPECT(!fake_receive(next, &message));
    send_empty(next, PROBE_LATER);
    fake_run();
    probe_later_complete(token, OK, &reply);
    EXPECT(!fake_receive(next, &message));
    probe_later_complete(waiting[1], ERR_IO, nullptr);
    probe_later_complete(waiting[1], ERR_IO, nullptr);
    EXPECT(receive_status(next, ERR_IO));
    EXPECT(!fake_receive(next, &message));
}

// --- Back-pressure ---

TEST("replies that find no room wait in order, and no request is taken meanwhile") {
    channel_t client = set_up_with_client();
    fake_channel_limit(client, 1);
    for (uint32_t i = 0; i < 6; i++) {
        send_add(client, i, i, 100);
    }
    fake_run();
    for (uint32_t i = 0; i < 6; i++) {
        EXPECT(receive_sum(client, i, i + 100));
        fake_run();
    }
    struct message message;
    EXPECT(!fake_receive(client, &message));
}

TEST("deferred replies that find no room wait too, and events stay behind them") {
    channel_t client = set_up_with_client();
    send_empty(client, PROBE_LATER);
    send_empty(client, PROBE_LATER);
    fake_run();
    fake_channel_limit(client, 1);
    send_add(client, 1, 1, 1);
    send_empty(client, PROBE_RELEASE);
    fake_run();
    probe_later_complete(waiting[0], ERR_IO, nullptr);
    EXPECT(receive_sum(client, 1, 2));
    fake_run();
    struct message message;
    EXPECT(fake_receive(client, &message));
    EXPECT_EQ(message.header.kind, PROBE_LATER | MESSAGE_REPLY);
    fake_run();
    EXPECT(receive_status(client, ERR_IO));
    fake_run();
    EXPECT(!fake_receive(client, &message));
}

TEST("a client that leaves with replies waiting takes nothing with it") {
    channel_t client = set_up_with_client();
    size_t open = fake_open_handles();
    fake_channel_limit(client, 1);
    send_add(client, 1, 1, 1);
    send_add(client, 2, 1, 1);
    fake_run();
    fake_close(client);
    fake_run();
    EXPECT_EQ(disconnects, 1);
    EXPECT_EQ(fake_open_handles(), open - 2);
}

// --- Calls of its own ---

static size_t done_count;
static status_t done_status;
static uint32_t done_sum;

static void on_add(void *context, status_t status, const struct probe_add_reply *reply) {
    (void) context;
    done_count++;
    done_status = status;
    done_sum = reply != nullptr ? reply->sum : 0;
}

static status_t begin_add(void) {
    struct probe_add request = {1, 2};
    return probe_add_begin(service_channel("probe"), &request, on_add, nullptr);
}

static channel_t set_up_with_service(void) {
    set_up();
    channel_t server = give_service();
    give_start();
    fake_run();
    return server;
}

static void answer_add(channel_t server, uint32_t transaction, uint32_t kind) {
    struct message message;
    struct probe_add_reply reply = {3};
    if (probe_add_reply_encode(&reply, &message) == OK) {
        message.header.kind = kind;
        message.header.transaction = transaction;
        fake_send(server, &message);
    }
}

TEST("an asynchronous call is completed once, by the reply with its transaction") {
    channel_t server = set_up_with_service();
    EXPECT_EQ(begin_add(), ERR_NOT_FOUND);
    EXPECT_EQ(probe_attach_plain(service_channel("probe")), OK);
    EXPECT_EQ(begin_add(), OK);
    struct message message;
    EXPECT(fake_receive(server, &message));
    answer_add(server, message.header.transaction + 1, PROBE_ADD | MESSAGE_REPLY);
    fake_run();
    EXPECT_EQ(done_count, 0);
    answer_add(server, message.header.transaction, PROBE_ADD | MESSAGE_REPLY);
    answer_add(server, message.header.transaction, PROBE_ADD | MESSAGE_REPLY);
    fake_run();
    EXPECT_EQ(done_count, 1);
    EXPECT_EQ(done_status, OK);
    EXPECT_EQ(done_sum, 3);
}

TEST("a reply of another kind completes the call with an error") {
    channel_t server = set_up_with_service();
    EXPECT_EQ(probe_attach_plain(service_channel("probe")), OK);
    EXPECT_EQ(begin_add(), OK);
    struct message message;
    EXPECT(fake_receive(server, &message));
    answer_add(server, message.header.transaction, PROBE_EVERY | MESSAGE_REPLY);
    fake_run();
    EXPECT_EQ(done_status, ERR_MALFORMED);
}

TEST("calls under way fail when the server goes, and the next service takes its place") {
    channel_t server = set_up_with_service();
    EXPECT_EQ(probe_attach_plain(service_channel("probe")), OK);
    EXPECT_EQ(begin_add(), OK);
    EXPECT_EQ(begin_add(), OK);
    fake_close(server);
    fake_run();
    EXPECT_EQ(done_count, 2);
    EXPECT_EQ(done_status, ERR_CLOSED);
    EXPECT_EQ(service_channel("probe").handle, HANDLE_INVALID);
    server = give_service();
    fake_run();
    EXPECT_EQ(probe_attach_plain(service_channel("probe")), OK);
    EXPECT_EQ(begin_add(), OK);
}

TEST("more calls than declared are refused, not lost") {
    channel_t server = set_up_with_service();
    EXPECT_EQ(probe_attach_plain(service_channel("probe")), OK);
    for (size_t i = 0; i < 16; i++) {
        EXPECT_EQ(begin_add(), OK);
    }
    EXPECT_EQ(begin_add(), ERR_LIMIT);
    struct message message;
    EXPECT(fake_receive(server, &message));
    answer_add(server, message.header.transaction, PROBE_ADD | MESSAGE_REPLY);
    fake_run();
    EXPECT_EQ(begin_add(), OK);
}

TEST("an event that the component does not expect ends that connection") {
    channel_t server = set_up_with_service();
    EXPECT_EQ(probe_attach_plain(service_channel("probe")), OK);
    channel_t channel = service_channel("probe");
    send_empty(server, PROBE_CHANGED);
    fake_run();
    EXPECT(!fake_is_open(channel.handle));
}

TEST("a waiting call gets its reply, or the reply's error") {
    channel_t server = set_up_with_service();
    struct probe_add request = {1, 2};
    struct probe_add_reply reply;
    answer_add(server, 0, PROBE_ADD | MESSAGE_REPLY);
    EXPECT_EQ(probe_add_call(service_channel("probe"), &request, &reply, NSEC_PER_SEC), OK);
    EXPECT_EQ(reply.sum, 3);
    EXPECT_EQ(probe_add_call(service_channel("probe"), &request, &reply, 0), ERR_TIMED_OUT);
    struct message refused = {.header = {.kind = PROBE_ADD | MESSAGE_REPLY, .status = ERR_DENIED}};
    fake_send(server, &refused);
    EXPECT_EQ(probe_add_call(service_channel("probe"), &request, &reply, DEADLINE_NEVER), ERR_DENIED);
}

TEST("a waiting call closes the handles of a reply that it can't use") {
    channel_t server = set_up_with_service();
    struct message odd = {.header = {.kind = PROBE_ADD | MESSAGE_REPLY, .handle_count = 1, .handles = {sent_handle}}};
    fake_send(server, &odd);
    struct probe_add request = {1, 2};
    struct probe_add_reply reply;
    EXPECT_EQ(probe_add_call(service_channel("probe"), &request, &reply, 0), ERR_MALFORMED);
    EXPECT(!fake_is_open(sent_handle));
}

// --- Connections that the component serves itself ---

static size_t closed_count;

static void on_closed(struct client *client) {
    closed_count++;
    if (channel_detach(client_channel(client)) != OK) {
        closed_count = 100;
    }
}

TEST("a served channel works like a client's, is told when it closes, and can be detached there") {
    set_up_with_client();
    channel_t theirs, ours;
    fake_channel_pair(&theirs, &ours);
    struct client own = {};
    EXPECT_EQ(probe_serve(theirs, &own, on_closed, nullptr), OK);
    EXPECT_EQ(probe_serve(theirs, &own, on_closed, nullptr), ERR_BUSY);
    EXPECT_EQ(client_channel(&own).handle, theirs.handle);
    send_add(ours, 4, 5, 6);
    fake_run();
    EXPECT(receive_sum(ours, 4, 11));
    EXPECT_EQ(own.requests, 1);
    fake_close(ours);
    fake_run();
    EXPECT_EQ(closed_count, 1);
    EXPECT(!fake_is_open(theirs.handle));
    EXPECT_EQ(client_channel(&own).handle, HANDLE_INVALID);
}

TEST("a paused channel's messages wait") {
    channel_t client = set_up_with_client();
    channel_t theirs, ours;
    fake_channel_pair(&theirs, &ours);
    struct client own = {};
    EXPECT_EQ(probe_serve(theirs, &own, nullptr, nullptr), OK);
    EXPECT_EQ(channel_pause(theirs, true), OK);
    send_add(ours, 1, 1, 1);
    fake_run();
    EXPECT_EQ(own.requests, 0);
    EXPECT_EQ(channel_pause(theirs, false), OK);
    fake_run();
    EXPECT_EQ(own.requests, 1);
    EXPECT_EQ(channel_pause(client, true), ERR_NOT_FOUND);
}

static void send_changed_until_full(struct client *client) {
    struct probe_changed event = {1};
    while (probe_changed_send(client_channel(client), &event) == OK) {
    }
}

TEST("room after a refused event is told to its sender") {
    set_up_with_client();
    channel_t theirs, ours;
    fake_channel_pair(&theirs, &ours);
    struct client own = {};
    EXPECT_EQ(probe_serve(theirs, &own, nullptr, writable), OK);
    fake_channel_limit(ours, 2);
    send_changed_until_full(&own);
    fake_run();
    EXPECT_EQ(writables, 0);
    struct message message;
    EXPECT(fake_receive(ours, &message));
    fake_run();
    EXPECT_EQ(writables, 1);
    fake_close(ours);
    fake_run();
    EXPECT(!fake_is_open(theirs.handle));
}

TEST("channels beyond the limit are refused and stay the caller's") {
    set_up_with_client();
    struct client own[17] = {};
    channel_t theirs, ours;
    for (size_t i = 0; i < 16; i++) {
        fake_channel_pair(&theirs, &ours);
        EXPECT_EQ(probe_serve(theirs, &own[i], nullptr, nullptr), OK);
    }
    fake_channel_pair(&theirs, &ours);
    EXPECT_EQ(probe_serve(theirs, &own[16], nullptr, nullptr), ERR_LIMIT);
    EXPECT(fake_is_open(theirs.handle));
}

// --- Timers ---

static char fired[16];
static size_t fired_count;

static void fire(void *context) {
    fired[fired_count++] = *(const char *) context;
}

TEST("timers fire in the order of their deadlines, once, unless stopped") {
    set_up_with_client();
    static struct timer a, b, c;
    timer_start(&c, 30, fire, "c");
    timer_start(&a, 10, fire, "a");
    timer_start(&b, 20, fire, "b");
    fake_advance(9);
    EXPECT_EQ(fired_count, 0);
    fake_advance(1);
    EXPECT_EQ(fired_count, 1);
    timer_stop(&b);
    timer_stop(&b);
    fake_advance(100);
    EXPECT(bytes_equal((bytes_t) {(uint8_t *) fired, fired_count}, BYTES("ac")));
}

TEST("moving a timer to later costs no system call") {
    set_up_with_client();
    static struct timer idle[3];
    for (size_t i = 0; i < 3; i++) {
        timer_start(&idle[i], 1000 + i, fire, "x");
    }
    size_t sets = fake_timer_sets();
    for (size_t i = 0; i < 30; i++) {
        timer_start(&idle[i % 3], 2000 + i, fire, "x");
    }
    EXPECT_EQ(fake_timer_sets(), sets);
    fake_advance(1500);
    EXPECT_EQ(fired_count, 0);
    fake_advance(1000);
    EXPECT_EQ(fired_count, 3);
}

static void fire_again(void *context) {
    fired_count++;
    timer_start(context, 0, fire_again, context);
}

TEST("a timer that its callback starts again lets other events in between") {
    set_up_with_client();
    static struct timer again;
    timer_start(&again, 0, fire_again, &again);
    fake_advance(1);
    EXPECT_EQ(fired_count, 1);
    fake_advance(1);
    EXPECT_EQ(fired_count, 2);
}
