// Channels that the component serves itself.
#include <test/host/probe_component.h>
#include <test/test.h>

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
    EXPECT_EQ(probe_serve_channel(theirs, &own, on_closed, nullptr), OK);
    EXPECT_EQ(probe_serve_channel(theirs, &own, on_closed, nullptr), ERR_BUSY);
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
    EXPECT_EQ(probe_serve_channel(theirs, &own, nullptr, nullptr), OK);
    EXPECT_EQ(channel_pause(theirs, true), OK);
    send_add(ours, 1, 1, 1);
    fake_run();
    EXPECT_EQ(own.requests, 0);
    EXPECT_EQ(channel_pause(theirs, false), OK);
    fake_run();
    EXPECT_EQ(own.requests, 1);
    EXPECT_EQ(channel_pause(client, true), ERR_NOT_FOUND);
}

TEST("a client that is paused when it connects waits") {
    set_up();
    probe.pauses_clients = true;
    give_start();
    channel_t client = give_client();
    send_add(client, 1, 1, 1);
    fake_run();
    struct message message;
    EXPECT(!fake_receive(client, &message));
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
    EXPECT_EQ(probe_serve_channel(theirs, &own, nullptr, probe_writable), OK);
    fake_channel_limit(ours, 2);
    send_changed_until_full(&own);
    fake_run();
    EXPECT_EQ(probe.writables, 0);
    struct message message;
    EXPECT(fake_receive(ours, &message));
    fake_run();
    EXPECT_EQ(probe.writables, 1);
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
        EXPECT_EQ(probe_serve_channel(theirs, &own[i], nullptr, nullptr), OK);
    }
    fake_channel_pair(&theirs, &ours);
    EXPECT_EQ(probe_serve_channel(theirs, &own[16], nullptr, nullptr), ERR_LIMIT);
    EXPECT(fake_is_open(theirs.handle));
}
