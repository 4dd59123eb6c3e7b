// Replies that come later, or find no room.
#include <test/host/probe_component.h>
#include <test/test.h>

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
    for (size_t i = 0; i < PROBE_WAITING_MAX + 1; i++) {
        send_empty(client, PROBE_LATER);
    }
    fake_run();
    EXPECT(receive_status(client, ERR_LIMIT));
}

TEST("completing a deferred call whose client has left is harmless, as is doing it twice") {
    channel_t client = set_up_with_client();
    send_empty(client, PROBE_LATER);
    fake_run();
    probe_later_token_t token = probe.waiting[0];
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
    probe_later_complete(probe.waiting[1], ERR_IO, nullptr);
    probe_later_complete(probe.waiting[1], ERR_IO, nullptr);
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
    probe_later_complete(probe.waiting[0], ERR_IO, nullptr);
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
    EXPECT_EQ(probe.disconnects, 1);
    EXPECT_EQ(fake_open_handles(), open - 2);
}
