// The whole component on the host, against a hand-made driver and a hand-made remote host.
// test-with: servers/tcpip/main.c servers/tcpip/uri.c servers/tcpip/checksum.c servers/tcpip/clocks.c servers/tcpip/heap.c
// test-with: servers/tcpip/link.c servers/tcpip/port.c servers/tcpip/resolve.c servers/tcpip/stack.c
// test-with: servers/tcpip/tcp_connect.c servers/tcpip/tcp_listener.c servers/tcpip/tcp_receive.c servers/tcpip/tcp_send.c
// test-with: servers/tcpip/tcp_stream.c servers/tcpip/udp_socket.c servers/tcpip/testing/peer.c
#include "testing/peer.h"

#include "datagram.h"
#include "listener.h"
#include "network.h"
#include "stream.h"

#include <test/test.h>

static const char static_config[] = "address=10.0.2.15/24\ngateway=10.0.2.2\ndns=10.0.2.3\n";
static uint8_t bytes[256 * 1024], received[256 * 1024];

static void fill_bytes(void) {
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t) (i * 7 + i / 251);
    }
}

static channel_t listen_on(channel_t client, const char *uri) {
    status_t status = ERR_STATE;
    channel_t listener = {};
    peer_open(client, uri);
    (void) peer_opened(client, &status, &listener);
    return status == OK ? listener : (channel_t) {};
}

static bool accept_stream(channel_t listener, channel_t *out_stream) {
    struct message message;
    struct listener_accepted event = {};
    bool is_event = fake_receive(listener, &message) && listener_accepted_decode(&message, &event) == OK;
    *out_stream = event.stream;
    return is_event && event.address == PEER_ADDRESS;
}

// A started component, a listener on port 80, and one connection to it.
static bool set_up(struct remote *remote, channel_t *out_stream) {
    fill_bytes();
    if (!peer_start(static_config)) {
        return false;
    }
    channel_t listener = listen_on(peer_client(), "tcp-listen:0.0.0.0:80");
    if (listener.handle == HANDLE_INVALID || !remote_connect(remote, 5000, 80)) {
        return false;
    }
    return accept_stream(listener, out_stream);
}

static bool receive_kind(channel_t channel, uint32_t kind) {
    struct message message;
    return fake_receive(channel, &message) && message.header.kind == kind;
}

// All data events that wait.
static size_t receive_stream(channel_t stream, uint8_t *out, size_t capacity) {
    struct message message;
    struct stream_data event;
    size_t size = 0;
    while (fake_receive(stream, &message) && stream_data_decode(&message, &event) == OK) {
        if (mem_copy(out + size, capacity - size, event.data.ptr, event.data.len) == OK) {
            size += event.data.len;
        }
        fake_run();
    }
    return size;
}

static void send_message(channel_t channel, const struct message *message) {
    fake_send(channel, message);
    fake_run();
}

static void write_bytes(channel_t stream, const uint8_t *data, size_t size) {
    struct message message;
    struct stream_write request = {.data = {data, size}};
    if (stream_write_encode(&request, &message) == OK) {
        send_message(stream, &message);
    }
}

static void write_folio(channel_t stream, uint64_t offset, uint64_t size) {
    struct message message;
    struct stream_write_folio request = {.offset = offset, .size = size};
    if (folio_create(sizeof(bytes), 0, &request.folio) == OK && stream_write_folio_encode(&request, &message) == OK) {
        (void) mem_copy(fake_folio_memory(request.folio), sizeof(bytes), bytes, sizeof(bytes));
        send_message(stream, &message);
    }
}

static void finish(channel_t stream) {
    struct message message;
    if (stream_finish_encode(&message) == OK) {
        send_message(stream, &message);
    }
}

static void ask_drained(channel_t stream) {
    struct message message;
    if (stream_drain_encode(&message) == OK) {
        send_message(stream, &message);
    }
}

static bool are_equal(const uint8_t *a, const uint8_t *b, size_t size) {
    return bytes_equal((bytes_t) {a, size}, (bytes_t) {b, size});
}

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
    write_folio(stream, 100, 900);
    EXPECT(remote_receive(&remote, &segment) && segment.size == 1000);
}

TEST("a folio is sent from where it lies, in order with other writes") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    size_t mappings = fake_mappings();
    write_bytes(stream, bytes, 100);
    write_folio(stream, 100, 199900);
    write_bytes(stream, bytes + 200000, 1000);
    EXPECT(fake_mappings() > mappings);
    EXPECT_EQ(remote_receive_data(&remote, received, sizeof(received)), 201000);
    EXPECT(are_equal(received, bytes, 201000));
    EXPECT_EQ(fake_mappings(), mappings);
}

TEST("a client that writes faster than the remote end reads finds its queue full, and nothing is lost") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    remote.window = 2000;
    remote_send(&remote, ACK, nullptr, 0);
    for (size_t i = 0; i < 90; i++) {
        write_bytes(stream, bytes + i * 1000, 1000);
    }
    remote.window = UINT16_MAX;
    remote_send(&remote, ACK, nullptr, 0);
    size_t size = 0;
    for (int i = 0; i < 40 && size < 90000; i++) {
        size += remote_receive_data(&remote, received + size, sizeof(received) - size);
        fake_advance(NSEC_PER_SEC / 4);
    }
    EXPECT_EQ(size, 90000);
    EXPECT(are_equal(received, bytes, 90000));
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

TEST("a folio goes out to the end after its client has finished and left") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    size_t mappings = fake_mappings();
    write_folio(stream, 0, 200000);
    finish(stream);
    fake_close(stream);
    fake_run();
    EXPECT_EQ(remote_receive_data(&remote, received, sizeof(received)), 200000);
    EXPECT(are_equal(received, bytes, 200000));
    EXPECT_EQ(fake_mappings(), mappings);
}

TEST("the end of our side has a segment of its own: none with bytes of a folio outlives their acknowledgement") {
    struct remote remote;
    struct segment segment;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    remote.window = 500;
    remote_send(&remote, ACK, nullptr, 0);
    write_folio(stream, 0, 1000);
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
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    size_t mappings = fake_mappings(), handles = fake_open_handles();
    write_folio(stream, 0, 200000);
    remote_send(&remote, RST | ACK, nullptr, 0);
    EXPECT_EQ(fake_mappings(), mappings);
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
    write_folio(stream, 0, 100000);
    finish(stream);
    fake_close(stream);
    for (int i = 0; i < 200 && (segment.flags & RST) == 0; i++) {
        fake_advance(NSEC_PER_SEC / 4);
        while (remote_receive(&remote, &segment) && (segment.flags & RST) == 0) {
            remote_send(&remote, ACK, nullptr, 0); // a zero window again
        }
    }
    EXPECT((segment.flags & RST) != 0);
    EXPECT_EQ(fake_mappings(), mappings);
}

TEST("a connection to the remote host is answered when it is there") {
    EXPECT(peer_start(static_config));
    channel_t client = peer_client(), stream;
    struct remote remote = {.port = 7, .sequence = 1, .window = 8000};
    uint8_t frame[2048];
    size_t size;
    status_t status;
    peer_open(client, "tcp:10.0.2.2:7");
    EXPECT(!peer_opened(client, &status, &stream));
    EXPECT(peer_take(frame, &size));
    remote.other_port = (uint16_t) (frame[34] << 8 | frame[35]);
    remote.expected = ((uint32_t) frame[38] << 24 | (uint32_t) frame[39] << 16 | (uint32_t) frame[40] << 8 | frame[41]) + 1;
    remote_send(&remote, SYN | ACK, nullptr, 0);
    EXPECT(peer_opened(client, &status, &stream));
    EXPECT_EQ(status, OK);
    write_bytes(stream, bytes, 20);
    EXPECT_EQ(remote_receive_data(&remote, received, sizeof(received)), 20);
}

TEST("when nobody answers, the call fails in the end") {
    EXPECT(peer_start(static_config));
    channel_t client = peer_client(), stream;
    status_t status = OK;
    uint8_t frame[2048];
    size_t size;
    peer_open(client, "tcp:10.0.2.2:7");
    for (int i = 0; i < 400 && !peer_opened(client, &status, &stream); i++) {
        while (peer_take(frame, &size)) {
        }
        fake_advance(NSEC_PER_SEC / 4);
    }
    EXPECT_EQ(status, ERR_TIMED_OUT);
}

TEST("datagrams go both ways") {
    EXPECT(peer_start(static_config));
    channel_t socket = listen_on(peer_client(), "udp:0.0.0.0:9000");
    struct message message;
    struct datagram_received event;
    uint8_t frame[2048];
    size_t size;
    peer_give_udp(53000, 9000, "ping", 4);
    EXPECT(fake_receive(socket, &message) && datagram_received_decode(&message, &event) == OK);
    EXPECT(event.address == PEER_ADDRESS && event.port == 53000 && bytes_equal(event.data, BYTES("ping")));
    struct datagram_send_to request = {.address = PEER_ADDRESS, .port = 53000, .data = BYTES("pong")};
    EXPECT_EQ(datagram_send_to_encode(&request, &message), OK);
    send_message(socket, &message);
    EXPECT(peer_take(frame, &size));
    EXPECT(are_equal(frame + 42, (const uint8_t *) "pong", 4));
}

TEST("bad URIs and taken ports get their errors") {
    EXPECT(peer_start(static_config));
    channel_t client = peer_client(), channel;
    status_t status = OK;
    peer_open(client, "tcp-listen:0.0.0.0");
    EXPECT(peer_opened(client, &status, &channel) && status == ERR_INVALID_ARGUMENT);
    EXPECT(listen_on(client, "tcp-listen:0.0.0.0:80").handle != HANDLE_INVALID);
    peer_open(client, "tcp-listen:0.0.0.0:80");
    EXPECT(peer_opened(client, &status, &channel) && status == ERR_BUSY);
}

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
