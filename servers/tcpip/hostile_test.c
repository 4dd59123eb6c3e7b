// Remote hosts that flood, never answer or never read; and what the component leaves behind and does while idle.
// test-with: servers/tcpip/main.c servers/tcpip/uri.c servers/tcpip/checksum.c servers/tcpip/clocks.c servers/tcpip/heap.c
// test-with: servers/tcpip/link.c servers/tcpip/port.c servers/tcpip/resolve.c servers/tcpip/stack.c servers/tcpip/copy.c
// test-with: servers/tcpip/tcp_connect.c servers/tcpip/tcp_listener.c servers/tcpip/tcp_receive.c servers/tcpip/tcp_send.c
// test-with: servers/tcpip/tcp_stream.c servers/tcpip/udp_socket.c servers/tcpip/testing/client.c servers/tcpip/testing/peer.c
// test-with: servers/tcpip/offload.c servers/tcpip/tcp_segment.c servers/tcpip/transmit.c servers/tcpip/cut.c
// test-with: servers/tcpip/acks.c servers/tcpip/direct.c servers/tcpip/resting_acks.c lib/lending/lending.c
#include "heap.h"
#include "testing/client.h"

#include "datagram.h"
#include "stream.h"

#include <test/test.h>

TEST("a flood of half-open connections keeps no honest client out") {
    struct remote remote, flood = {.other_port = 80, .window = 1000};
    struct segment segment;
    EXPECT(peer_start(static_config));
    channel_t listener = listen_on(peer_client(), "tcp-listen:0.0.0.0:80"), stream;
    for (uint16_t port = 10000; port < 11000; port++) {
        flood.port = port;
        remote_send(&flood, SYN, nullptr, 0);
        (void) remote_receive(&flood, &segment);
    }
    EXPECT(remote_connect(&remote, 5000, 80));
    EXPECT(accept_stream(listener, &stream));
}

TEST("a segment with a wrong checksum disturbs neither its connection nor older and newer ones") {
    enum { COUNT = 3 };
    struct remote remotes[COUNT];
    channel_t streams[COUNT];
    EXPECT(peer_start(static_config));
    channel_t listener = listen_on(peer_client(), "tcp-listen:0.0.0.0:80");
    for (uint16_t i = 0; i < COUNT; i++) {
        EXPECT(remote_connect(&remotes[i], 5000 + i, 80));
        EXPECT(accept_stream(listener, &streams[i]));
    }
    struct remote spoiler = remotes[1];
    spoiler.spoils_checksums = true;
    remote_send(&spoiler, ACK | PSH, bytes, 10);
    EXPECT_EQ(receive_stream(streams[1], received, sizeof(received)), 0);
    for (size_t i = 0; i < COUNT; i++) {
        struct segment segment;
        remote_send(&remotes[i], ACK | PSH, bytes, 10);
        EXPECT_EQ(receive_stream(streams[i], received, sizeof(received)), 10);
        fake_advance(NSEC_PER_SEC / 4);
        fake_advance(NSEC_PER_SEC / 4);
        EXPECT(remote_receive(&remotes[i], &segment) && segment.acknowledged == remotes[i].sequence); // by the clock
    }
}

TEST("ten thousand connections one after the other leave nothing behind") {
    EXPECT(peer_start(static_config));
    channel_t listener = listen_on(peer_client(), "tcp-listen:0.0.0.0:80"), stream;
    size_t handles = fake_open_handles(), mappings = fake_mappings();
    for (uint32_t i = 0; i < 10000; i++) {
        struct remote remote;
        struct segment segment;
        EXPECT(remote_connect(&remote, (uint16_t) (1024 + i), 80));
        EXPECT(accept_stream(listener, &stream));
        write_bytes(stream, bytes, 10);
        finish(stream);
        fake_close(stream);
        fake_run();
        EXPECT(remote_receive(&remote, &segment) && segment.size == 10);
        remote.expected += 11;
        remote_send(&remote, ACK | FIN, nullptr, 0);
        while (remote_receive(&remote, &segment)) {
        }
        fake_advance(NSEC_PER_MSEC);
    }
    EXPECT_EQ(fake_open_handles(), handles);
    EXPECT_EQ(fake_mappings(), mappings);
    EXPECT_EQ(peer_buffers_away(), 0);
}

TEST("a write of any size goes out at once, however many closed connections are remembered") {
    EXPECT(peer_start(static_config));
    channel_t listener = listen_on(peer_client(), "tcp-listen:0.0.0.0:80"), stream;
    for (uint16_t i = 0; i < 3000; i++) {
        struct remote remote;
        struct segment segment;
        size_t size = i % STREAM_WRITE_DATA_MAX + 1u;
        EXPECT(remote_connect(&remote, 1024 + i, 80));
        EXPECT(accept_stream(listener, &stream));
        write_bytes(stream, bytes, size);
        EXPECT(remote_receive(&remote, &segment) && segment.size == size);
        remote.expected += (uint32_t) size;
        finish(stream);
        fake_close(stream);
        fake_run();
        EXPECT(remote_receive(&remote, &segment) && (segment.flags & FIN) != 0);
        remote.expected++;
        remote_send(&remote, ACK | FIN, nullptr, 0);
        while (remote_receive(&remote, &segment)) {
        }
    }
}

TEST("an idle stack sets few timers, with a connection as without") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    fake_advance(10 * NSEC_PER_SEC);
    for (int i = 0; i < 40; i++) {
        fake_advance(NSEC_PER_SEC / 4);
    }
    size_t before = fake_timer_sets();
    for (int i = 0; i < 40; i++) {
        fake_advance(NSEC_PER_SEC / 4);
    }
    EXPECT(fake_timer_sets() - before < 8);
}

TEST("a stack without connections sets no timer, and still forgets an address that has grown old") {
    struct remote remote;
    struct segment segment;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    remote_send(&remote, RST | ACK, nullptr, 0);
    fake_advance(15 * NSEC_PER_SEC);
    size_t before = fake_timer_sets();
    fake_advance(600 * NSEC_PER_SEC);
    EXPECT_EQ(fake_timer_sets(), before);
    uint64_t searches = peer_arp_searches();
    peer_open(peer_client(), "tcp:10.0.2.2:80");
    (void) remote_receive(&remote, &segment);
    EXPECT(peer_arp_searches() > searches);
}

static void take_frames(void) {
    static uint8_t frame[PEER_FRAME_MAX];
    size_t size;
    while (peer_take(frame, &size)) {
    }
}

enum : uint32_t { FIRST_STRANGER = 0x6202000a, SECOND_STRANGER = 0x6302000a };

static void send_datagram(channel_t socket, uint32_t address) {
    struct message message;
    struct datagram_send_to request = {.address = address, .port = 9, .data = BYTES("?")};
    if (datagram_send_to_encode(&request, &message) == OK) {
        send_message(socket, &message);
    }
}

// Nobody answers yet, and nothing else keeps a clock going.
static channel_t ask_for_strangers(void) {
    channel_t socket = peer_start(static_config) ? listen_on(peer_client(), "udp:0.0.0.0:9000") : (channel_t) {};
    take_frames();
    peer_answer_arp(false);
    send_datagram(socket, FIRST_STRANGER);
    send_datagram(socket, SECOND_STRANGER);
    take_frames();
    return socket;
}

static uint64_t count_searches(unsigned seconds) {
    uint64_t before = peer_arp_searches();
    for (unsigned i = 0; i < seconds; i++) {
        fake_advance(NSEC_PER_SEC);
        take_frames();
    }
    return peer_arp_searches() - before;
}

TEST("the clock that waits for an ARP answer goes on as long as one of several has not come") {
    EXPECT(ask_for_strangers().handle != HANDLE_INVALID);
    peer_give_arp(true, SECOND_STRANGER);
    EXPECT_EQ(count_searches(3), 3);
}

TEST("it goes on when the other one has come too, though there was no buffer to ask again") {
    channel_t socket = ask_for_strangers();
    peer_give_arp(true, FIRST_STRANGER);
    for (unsigned i = 0; i < 1000; i++) {
        send_datagram(socket, FIRST_STRANGER); // of which the driver takes none
    }
    uint64_t before = peer_arp_searches();
    fake_advance(NSEC_PER_SEC);
    take_frames();
    EXPECT_EQ(peer_arp_searches(), before);
    EXPECT_EQ(count_searches(2), 2);
}

TEST("the clock that waits for an ARP answer stops when it has come") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    remote_send(&remote, RST | ACK, nullptr, 0);
    fake_advance(NSEC_PER_SEC);
    fake_advance(NSEC_PER_SEC);
    size_t before = fake_timer_sets();
    for (int i = 0; i < 4; i++) {
        fake_advance(NSEC_PER_SEC);
    }
    EXPECT_EQ(fake_timer_sets(), before);
}

TEST("an address in use is asked for again before it is forgotten, and nothing waits for it") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    uint64_t searches = peer_arp_searches();
    for (int i = 0; i < 700; i++) {
        write_bytes(stream, bytes, 10);
        EXPECT_EQ(remote_receive_data(&remote, received, sizeof(received)), 10);
        fake_advance(NSEC_PER_SEC);
    }
    EXPECT_EQ(peer_arp_searches(), searches);
}

TEST("what waits for an ARP answer does not refer to a folio that is let go meanwhile") {
    struct remote remote;
    struct segment segment;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    fake_advance(61 * NSEC_PER_SEC);
    write_lent(stream, 0, 200000);
    while (remote_receive(&remote, &segment)) {
        remote.expected += (uint32_t) segment.size;
    }
    for (uint32_t i = 0; i < 40; i++) {
        peer_give_arp(false, PEER_ADDRESS + ((100 + i) << 24)); // younger addresses take the place of the remote host's
    }
    uint64_t searches = peer_arp_searches();
    peer_answer_arp(false);
    remote_send(&remote, ACK, nullptr, 0);
    EXPECT(!remote_receive(&remote, &segment) && peer_arp_searches() > searches);
    remote_send(&remote, RST | ACK, nullptr, 0);
    peer_give_arp(true, PEER_ADDRESS);
    EXPECT(remote_receive(&remote, &segment) && segment.size > 0);
    EXPECT(segment.sequence == remote.expected);
}

static channel_t set_up_listener(void) {
    struct remote first;
    channel_t stream;
    bool is_up = set_up(&first, &stream);
    return is_up ? listen_on(lender, "tcp-listen:0.0.0.0:81") : (channel_t) {};
}

static bool is_body_received(struct remote *remote, size_t size) {
    return remote_receive_data(remote, received, sizeof(received)) == size && are_equal(received, bytes, size);
}

TEST("many slow readers of large bodies leave room for others") {
    enum { READERS = 110 };
    struct remote remote;
    channel_t listener = set_up_listener(), stream;
    for (uint16_t i = 0; i < READERS; i++) {
        EXPECT(remote_connect(&remote, 6000 + i, 81) && accept_stream(listener, &stream));
        write_lent(stream, 0, 100000);
    }
    EXPECT(remote_connect(&remote, 7000, 81) && accept_stream(listener, &stream));
    write_lent(stream, 0, 100000);
    EXPECT(is_body_received(&remote, 100000));
}

TEST("a remote host that takes only tiny segments gets its body all the same") {
    channel_t listener = set_up_listener(), stream;
    for (uint16_t mss = 16; mss <= 256; mss *= 2) {
        struct remote remote = {.port = 5000 + mss, .other_port = 81, .window = UINT16_MAX, .mss = mss};
        EXPECT(remote_connect_as(&remote) && accept_stream(listener, &stream));
        write_lent(stream, 0, 50000);
        EXPECT(is_body_received(&remote, 50000));
    }
}

// All there are of the heap's, in a list.
static void *take_small_objects(void) {
    void *taken = nullptr;
    for (void **object = heap_allocate(sizeof(void *)); object != nullptr; object = heap_allocate(sizeof(void *))) {
        *object = taken;
        taken = object;
    }
    return taken;
}

static void give_back(void *taken) {
    for (void **object = taken, **next; object != nullptr; object = next) {
        next = *object;
        heap_free(object);
    }
}

TEST("a connection that ends just as its client leaves is let go once") {
    struct remote first, second;
    channel_t stream, streams[2];
    EXPECT(set_up(&first, &stream));
    channel_t listener = listen_on(lender, "tcp-listen:0.0.0.0:81");
    void *taken = take_small_objects();
    for (unsigned i = 0; i < 2; i++) {
        write_lent(stream, 0, 100); // there is no memory to send it, and the channel is paused
    }
    enum { ALMOST_TOO_LONG = 31 }; // seconds; after 30 lwIP's next poll of the connection, each second one, ends it
    for (unsigned i = 0; i < ALMOST_TOO_LONG; i++) {
        fake_advance(NSEC_PER_SEC);
        peer_give_arp(true, PEER_ADDRESS);
    }
    give_back(taken);
    EXPECT(fake_has_peer(stream));
    fake_advance(NSEC_PER_SEC - 1);
    fake_close(stream);
    fake_advance(1);
    EXPECT(remote_connect(&first, 6000, 81) && accept_stream(listener, &streams[0]));
    EXPECT(remote_connect(&second, 6001, 81) && accept_stream(listener, &streams[1]));
    write_bytes(streams[0], bytes, 10);
    EXPECT_EQ(remote_receive_data(&first, received, sizeof(received)), 10);
}
