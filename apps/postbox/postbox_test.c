// The postbox, on the fake kernel: the tests are its clients.
#include "postbox.c"

#include <test/host/fake_supervisor.h>
#include <test/test.h>

static channel_t set_up(void) {
    fake_prepare();
    fake_start("postbox", "");
    return fake_client("postbox");
}

// What the postbox answers: the status, and the text that came with it.
static status_t put(channel_t client, bytes_t text) {
    struct message message;
    struct postbox_put request = {.text = text};
    TRY(postbox_put_encode(&request, &message));
    fake_send(client, &message);
    fake_run();
    return fake_receive(client, &message) ? (status_t) message.header.status : ERR_EMPTY;
}

static status_t take(channel_t client, struct message *message, struct postbox_take_reply *reply) {
    TRY(postbox_take_encode(message));
    fake_send(client, message);
    fake_run();
    if (!fake_receive(client, message)) {
        return ERR_TIMED_OUT;
    }
    TRY((status_t) message->header.status);
    return postbox_take_reply_decode(message, reply);
}

TEST("a note is handed back once") {
    channel_t client = set_up();
    struct message message;
    struct postbox_take_reply reply;
    EXPECT_EQ(put(client, BYTES("milk")), OK);
    EXPECT_EQ(take(client, &message, &reply), OK);
    EXPECT(bytes_equal(reply.text, BYTES("milk")));
    EXPECT_EQ(take(client, &message, &reply), ERR_EMPTY);
}

TEST("a second note is refused while one is kept") {
    channel_t client = set_up();
    EXPECT_EQ(put(client, BYTES("milk")), OK);
    EXPECT_EQ(put(client, BYTES("eggs")), ERR_BUSY);
}

TEST("clients do not see each other's notes") {
    channel_t client = set_up(), other = fake_client("postbox");
    struct message message;
    struct postbox_take_reply reply;
    EXPECT_EQ(put(client, BYTES("milk")), OK);
    EXPECT_EQ(take(other, &message, &reply), ERR_EMPTY);
}
