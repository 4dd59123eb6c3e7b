// The whole component on the host, against a hand-made driver and a hand-made remote host.
// test-with: servers/tcpip/main.c servers/tcpip/uri.c servers/tcpip/checksum.c servers/tcpip/clocks.c servers/tcpip/heap.c
// test-with: servers/tcpip/link.c servers/tcpip/port.c servers/tcpip/resolve.c servers/tcpip/stack.c servers/tcpip/copy.c
// test-with: servers/tcpip/tcp_connect.c servers/tcpip/tcp_listener.c servers/tcpip/tcp_receive.c servers/tcpip/tcp_send.c
// test-with: servers/tcpip/tcp_stream.c servers/tcpip/udp_socket.c servers/tcpip/testing/client.c servers/tcpip/testing/peer.c
// test-with: servers/tcpip/offload.c servers/tcpip/tcp_segment.c servers/tcpip/transmit.c servers/tcpip/cut.c
// test-with: servers/tcpip/acks.c servers/tcpip/direct.c servers/tcpip/resting_acks.c lib/lending/lending.c
#include "testing/client.h"

#include "stream.h"

#include <test/test.h>

TEST("it starts with a static address and waits for nothing") {
    EXPECT(peer_start(static_config));
}

TEST("a bad address in the configuration ends it") {
    int64_t code = 0;
    EXPECT(!peer_start("address=10.0.2.300/24\n"));
    EXPECT(fake_exited(&code) && code == 1);
}

TEST("a connection is accepted, and its bytes arrive") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    remote_send(&remote, ACK | PSH, "hello", 5);
    EXPECT_EQ(receive_stream(stream, received, sizeof(received)), 5);
    EXPECT(are_equal(received, (const uint8_t *) "hello", 5));
}

TEST("written bytes reach the remote end, and the client hears when they have") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    write_bytes(stream, bytes, 1000);
    ask_drained(stream);
    EXPECT(!receive_kind(stream, STREAM_DRAINED));
    EXPECT_EQ(remote_receive_data(&remote, received, sizeof(received)), 1000);
    EXPECT(are_equal(received, bytes, 1000));
    EXPECT(receive_kind(stream, STREAM_DRAINED));
}

TEST("bytes that more will follow go out in one packet with them") {
    struct remote remote;
    struct segment segment;
    struct message message;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    struct stream_write request = {.more = true, .data = {bytes, 100}};
    EXPECT_EQ(stream_write_encode(&request, &message), OK);
    send_message(stream, &message);
    EXPECT(!remote_receive(&remote, &segment));
    write_lent(stream, 100, 900);
    EXPECT(remote_receive(&remote, &segment) && segment.size == 1000);
}

TEST("what was lent is sent from where it lies, in order with other writes") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    write_bytes(stream, bytes, 100);
    write_lent(stream, 100, 199900);
    write_bytes(stream, bytes + 200000, 1000);
    EXPECT_EQ(remote_receive_data(&remote, received, sizeof(received)), 201000);
    EXPECT(are_equal(received, bytes, 201000));
}

TEST("a client that writes faster than the remote end reads finds its queue full, and nothing is lost") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    remote.window = 2000;
    remote_send(&remote, ACK, nullptr, 0);
    for (size_t i = 0; i < 80; i++) {
        write_bytes(stream, bytes + i * 1000, 1000);
    }
    remote.window = UINT16_MAX;
    remote_send(&remote, ACK, nullptr, 0);
    size_t size = 0;
    for (int i = 0; i < 40 && size < 80000; i++) {
        size += remote_receive_data(&remote, received + size, sizeof(received) - size);
        fake_advance(NSEC_PER_SEC / 4);
    }
    EXPECT_EQ(size, 80000);
    EXPECT(are_equal(received, bytes, 80000));
}

TEST("what the client has not read is kept, closes the window, and is delivered later") {
    struct remote remote;
    channel_t stream;
    struct segment segment = {.window = UINT16_MAX};
    EXPECT(set_up(&remote, &stream));
    fake_channel_limit(stream, 2);
    for (size_t sent = 0; sent < 30000; sent += 1000) {
        remote_send(&remote, ACK, bytes + sent, 1000);
        while (remote_receive(&remote, &segment)) {
        }
    }
    EXPECT(segment.window < 6000);
    EXPECT_EQ(peer_buffers_away(), 0);
    EXPECT_EQ(receive_stream(stream, received, sizeof(received)), 30000);
    EXPECT(are_equal(received, bytes, 30000));
    while (remote_receive(&remote, &segment)) {
    }
    EXPECT(segment.window > 25000); // small openings are not announced
}

TEST("a short request is acknowledged with its answer, and each piece of a long one at once") {
    struct remote remote;
    struct segment segment;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    remote_send(&remote, ACK | PSH, bytes, 500);
    EXPECT(!remote_receive(&remote, &segment));
    write_bytes(stream, bytes, 10);
    EXPECT(remote_receive(&remote, &segment) && segment.size == 10 && segment.acknowledged == remote.sequence);
    remote.expected += 10;
    for (size_t i = 0; i < 5; i++) {
        remote_send(&remote, ACK | PSH, bytes, i % 2 == 0 ? 1460 : 700);
        EXPECT(remote_receive(&remote, &segment) && segment.acknowledged == remote.sequence);
    }
}

TEST("segments out of order are put in order") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    uint32_t start = remote.sequence;
    for (size_t i = 5; i-- > 0;) {
        remote.sequence = start + (uint32_t) i * 1000;
        remote_send(&remote, ACK, bytes + i * 1000, 1000);
    }
    EXPECT_EQ(receive_stream(stream, received, sizeof(received)), 5000);
    EXPECT(are_equal(received, bytes, 5000));
    EXPECT_EQ(peer_buffers_away(), 0);
}

TEST("the end of the remote's bytes is told after the last one") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    remote_send(&remote, ACK | FIN, "x", 1);
    EXPECT(receive_kind(stream, STREAM_DATA));
    EXPECT(receive_kind(stream, STREAM_FINISHED));
}

TEST("finish ends our side after the last byte, and the connection closes when both have") {
    struct remote remote;
    struct segment segment;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    write_bytes(stream, bytes, 10);
    finish(stream);
    fake_close(stream);
    fake_run();
    EXPECT(remote_receive(&remote, &segment) && segment.size == 10);
    EXPECT((segment.flags & FIN) != 0 || (remote_receive(&remote, &segment) && (segment.flags & FIN) != 0));
    remote.expected += 11;
    remote_send(&remote, ACK | FIN, nullptr, 0);
    EXPECT(remote_receive(&remote, &segment) && segment.flags == ACK && segment.acknowledged == remote.sequence);
}

TEST("a remote host that uses its port again connects at once; an old SYN that arrives late does not") {
    struct remote remote;
    struct segment segment;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    finish(stream);
    EXPECT(remote_receive(&remote, &segment) && (segment.flags & FIN) != 0);
    remote.expected++;
    remote_send(&remote, ACK | FIN, nullptr, 0);
    EXPECT(remote_receive(&remote, &segment) && segment.flags == ACK);
    fake_close(stream);
    fake_run();
    struct remote late = remote;
    late.sequence -= 2;
    remote_send(&late, SYN, nullptr, 0);
    EXPECT(remote_receive(&late, &segment) && segment.flags == ACK && segment.acknowledged == remote.sequence);
    remote.sequence += 100000;
    remote_send(&remote, SYN, nullptr, 0);
    EXPECT(remote_receive(&remote, &segment) && segment.flags == (SYN | ACK) && segment.acknowledged == remote.sequence);
}

TEST("what was written of a range that is taken back meanwhile reaches the remote end, and is kept until then") {
    struct remote remote;
    channel_t stream;
    uint32_t name;
    EXPECT(set_up(&remote, &stream));
    size_t mappings = fake_mappings();
    EXPECT_EQ(lend(lender, sizeof(bytes), 4096, 200000, &name), OK);
    write_named(stream, name, 100, 199900, BYTES("head"));
    unlend(lender, name);
    EXPECT_EQ(fake_mappings(), mappings + 1);
    EXPECT_EQ(remote_receive_data(&remote, received, sizeof(received)), 199904);
    EXPECT(are_equal(received, (const uint8_t *) "head", 4) && are_equal(received + 4, bytes + 4196, 199900));
    EXPECT_EQ(fake_mappings(), mappings);
    write_named(stream, name, 0, 1, BYTES(""));
    EXPECT(!fake_has_peer(stream));
}

TEST("nobody sends what another client has lent, or bytes outside of it") {
    static const struct {
        uint32_t name, offset, size;
    } wrong[] = {{2, 0, 1},          {3, 0, 1},          {0, 0, 1},         {UINT32_MAX, 0, 1},
                 {1, 256 * 1024, 1}, {1, UINT32_MAX, 2}, {1, 1, 256 * 1024}};
    struct remote remote;
    channel_t stream;
    uint32_t name;
    EXPECT(set_up(&remote, &stream) && lend(peer_client(), 4096, 0, 4096, &name) == OK && name == 2);
    channel_t listener = listen_on(lender, "tcp-listen:0.0.0.0:81");
    for (uint16_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        EXPECT(remote_connect(&remote, 6000 + i, 81) && accept_stream(listener, &stream));
        write_named(stream, wrong[i].name, wrong[i].offset, wrong[i].size, BYTES(""));
        EXPECT(!fake_has_peer(stream));
    }
}

TEST("what a client has lent goes with it") {
    struct remote remote;
    channel_t stream;
    uint32_t name;
    EXPECT(set_up(&remote, &stream));
    size_t mappings = fake_mappings(), handles = fake_open_handles();
    for (int i = 0; i < 100; i++) {
        channel_t client = peer_client();
        EXPECT(lend(client, 4096, 0, 4096, &name) == OK && lend(client, 4096, 0, 4096, &name) == OK);
        fake_close(client);
        fake_run();
    }
    EXPECT_EQ(fake_mappings(), mappings);
    EXPECT_EQ(peer_lent_count(), 1);
    EXPECT_EQ(fake_open_handles(), handles);
}

TEST("what was lent goes out to the end after its client has finished and left") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    size_t mappings = fake_mappings();
    write_lent(stream, 0, 200000);
    unlend(lender, lent_bytes);
    EXPECT_EQ(fake_mappings(), mappings);
    finish(stream);
    fake_close(stream);
    fake_run();
    EXPECT_EQ(remote_receive_data(&remote, received, sizeof(received)), 200000);
    EXPECT(are_equal(received, bytes, 200000));
    EXPECT_EQ(fake_mappings(), mappings - 1);
}

TEST("the end of our side has a segment of its own: none with lent bytes outlives their acknowledgement") {
    struct remote remote;
    struct segment segment;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    remote.window = 500;
    remote_send(&remote, ACK, nullptr, 0);
    write_lent(stream, 0, 1000);
    finish(stream);
    fake_close(stream);
    fake_run();
    size_t size = 0;
    bool has_finished = false;
    for (int i = 0; i < 100 && !has_finished; i++) {
        remote.window = UINT16_MAX;
        while (remote_receive(&remote, &segment) && segment.sequence == remote.expected) {
            EXPECT((segment.flags & FIN) == 0 || segment.size == 0);
            has_finished |= (segment.flags & FIN) != 0;
            size += segment.size;
            remote.expected += (uint32_t) segment.size;
            remote_send(&remote, ACK, nullptr, 0);
        }
        fake_advance(NSEC_PER_SEC / 4);
    }
    EXPECT_EQ(size, 1000);
    EXPECT(has_finished);
}

TEST("a client that leaves before it has finished resets the connection") {
    struct remote remote;
    struct segment segment;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    fake_close(stream);
    fake_run();
    EXPECT(remote_receive(&remote, &segment) && (segment.flags & RST) != 0);
}

TEST("a reset from the remote end closes the client's channel and frees what it had") {
    struct remote remote;
    struct segment segment;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    size_t mappings = fake_mappings(), handles = fake_open_handles();
    write_lent(stream, 0, 200000);
    unlend(lender, lent_bytes);
    EXPECT_EQ(fake_mappings(), mappings);
    remote_send(&remote, RST | ACK, nullptr, 0);
    EXPECT_EQ(fake_mappings(), mappings); // the device may still read it
    while (remote_receive(&remote, &segment)) {
    }
    EXPECT_EQ(fake_mappings(), mappings - 1);
    EXPECT(fake_open_handles() < handles);
}

TEST("a remote end that reads nothing after the client has left is reset in bounded time") {
    struct remote remote;
    struct segment segment = {};
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    size_t mappings = fake_mappings();
    remote.window = 0;
    remote_send(&remote, ACK, nullptr, 0);
    write_lent(stream, 0, 100000);
    unlend(lender, lent_bytes);
    EXPECT_EQ(fake_mappings(), mappings);
    finish(stream);
    fake_close(stream);
    for (int i = 0; i < 200 && (segment.flags & RST) == 0; i++) {
        fake_advance(NSEC_PER_SEC / 4);
        while (remote_receive(&remote, &segment) && (segment.flags & RST) == 0) {
            remote_send(&remote, ACK, nullptr, 0); // a zero window again
        }
    }
    EXPECT((segment.flags & RST) != 0);
    EXPECT_EQ(fake_mappings(), mappings - 1);
}
