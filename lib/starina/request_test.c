// Requests: what handlers get, what callers get back, what ends a connection.
#include <test/host/probe_component.h>
#include <test/test.h>

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
        EXPECT_EQ(probe.disconnects, i + 1);
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
    EXPECT_EQ(probe.disconnects, 0);
}

TEST("a handle is closed after the handler unless it was taken") {
    channel_t client = set_up_with_client();
    struct message message;
    struct probe_keep request = {.folio = {probe.object}, .keep = true};
    EXPECT_EQ(probe_keep_encode(&request, &message), OK);
    fake_send(client, &message);
    fake_run();
    EXPECT(fake_is_open(probe.object));
    EXPECT_EQ(probe.kept.handle, probe.object);
    message.data[0] = 0;
    fake_send(client, &message);
    fake_run();
    EXPECT(!fake_is_open(probe.object));
}

TEST("handles of a message that is not understood are closed") {
    channel_t client = set_up_with_client();
    struct message message = {.header = {.kind = PROBE_ADD, .handle_count = 1, .handles = {probe.object}}};
    fake_send(client, &message);
    fake_run();
    EXPECT(!fake_is_open(probe.object));
}

TEST("handles in a reply are closed if the reply is an error") {
    channel_t client = set_up_with_client();
    channel_t other, unused;
    fake_channel_pair(&other, &unused);
    struct message message;
    struct probe_every request = {.text = BYTES("x"), .folio = {probe.object}, .channel = other};
    EXPECT_EQ(probe_every_encode(&request, &message), OK);
    fake_send(client, &message);
    fake_run();
    EXPECT(receive_status(client, ERR_BUSY));
    EXPECT(!fake_is_open(probe.object) && !fake_is_open(other.handle));
}
