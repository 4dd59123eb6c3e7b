// How a component starts, gets its clients, and ends.
#include <test/host/probe_component.h>
#include <test/test.h>

#include <supervisor.h>

TEST("a component says that it is ready after start, and knows its name and configuration") {
    set_up();
    give_start();
    fake_run();
    EXPECT(fake_is_ready());
    EXPECT(bytes_equal(bytes_from_string(component_name()), BYTES("probe_1")));
    EXPECT_EQ(config_u64("port", 1), 8080);
    EXPECT(bytes_equal(config_bytes("root", BYTES("")), BYTES("/site")));
    EXPECT_EQ(config_u64("root", 7), 7);
    EXPECT_EQ(config_u64("por", 7), 7);
}

TEST("an error from start ends the component") {
    set_up();
    probe.start_status = ERR_IO;
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
    fake_give(&message);
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
    EXPECT_EQ(probe.disconnects, 1);
    channel_t again = give_client();
    send_add(again, 9, 1, 1);
    fake_run();
    EXPECT(receive_sum(again, 9, 2));
}
