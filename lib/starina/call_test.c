// Calls that the component makes.
#include <test/host/probe_component.h>
#include <test/test.h>

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
    struct message odd = {.header = {.kind = PROBE_ADD | MESSAGE_REPLY, .handle_count = 1, .handles = {probe.object}}};
    fake_send(server, &odd);
    struct probe_add request = {1, 2};
    struct probe_add_reply reply;
    EXPECT_EQ(probe_add_call(service_channel("probe"), &request, &reply, 0), ERR_MALFORMED);
    EXPECT(!fake_is_open(probe.object));
}
