// What clients open: outgoing connections, listeners, datagrams, and how much of it each may have.
// test-with: servers/tcpip/main.c servers/tcpip/uri.c servers/tcpip/checksum.c servers/tcpip/clocks.c servers/tcpip/heap.c
// test-with: servers/tcpip/link.c servers/tcpip/port.c servers/tcpip/resolve.c servers/tcpip/stack.c servers/tcpip/copy.c
// test-with: servers/tcpip/tcp_connect.c servers/tcpip/tcp_listener.c servers/tcpip/tcp_receive.c servers/tcpip/tcp_send.c
// test-with: servers/tcpip/tcp_stream.c servers/tcpip/udp_socket.c servers/tcpip/testing/client.c servers/tcpip/testing/peer.c
// test-with: servers/tcpip/offload.c servers/tcpip/tcp_segment.c servers/tcpip/transmit.c servers/tcpip/cut.c
// test-with: servers/tcpip/acks.c servers/tcpip/direct.c servers/tcpip/resting_acks.c lib/lending/lending.c
#include "testing/client.h"

#include "datagram.h"
#include "stream.h"

#include <test/test.h>

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

static void take_frames(void) {
    uint8_t frame[2048];
    size_t size;
    while (peer_take(frame, &size)) {
    }
}

// How many connections to a host that never answers the client may begin.
static unsigned connect_until_refused(channel_t client, const char *uri) {
    channel_t stream;
    status_t status = OK;
    unsigned count = 0;
    for (peer_open(client, uri); !peer_opened(client, &status, &stream) && count < 1000; count++) {
        take_frames();
        peer_open(client, uri);
    }
    return status == ERR_LIMIT ? count : 1000;
}

TEST("a client may have so many connections; when it leaves, those that it still waits for end") {
    EXPECT(peer_start(static_config));
    channel_t greedy = peer_client(), listener = listen_on(peer_client(), "tcp-listen:0.0.0.0:80"), stream;
    unsigned count = connect_until_refused(greedy, "tcp:10.0.2.2:7");
    EXPECT(count > 8 && count < 128);
    for (int i = 0; i < 20; i++) {
        fake_close(greedy);
        fake_run();
        greedy = peer_client();
        EXPECT_EQ(connect_until_refused(greedy, "tcp:10.0.2.2:7"), count);
    }
    struct remote remote;
    EXPECT(remote_connect(&remote, 5000, 80) && accept_stream(listener, &stream));
}

TEST("a client that leaves during a lookup is forgotten, whatever comes of it") {
    EXPECT(peer_start(static_config));
    channel_t client = peer_client();
    peer_open(client, "tcp:example.org:7");
    fake_close(client);
    fake_run();
    for (int i = 0; i < 40; i++) {
        take_frames();
        fake_advance(NSEC_PER_SEC / 2);
    }
    struct remote remote;
    channel_t listener = listen_on(peer_client(), "tcp-listen:0.0.0.0:80"), stream;
    EXPECT(remote_connect(&remote, 5000, 80) && accept_stream(listener, &stream));
}

TEST("without room to wait for its answer no connection begins") {
    EXPECT(peer_start(static_config));
    unsigned waiting = 0, count = 64;
    for (int i = 0; i < 4 && count == 64; i++) {
        count = connect_until_refused(peer_client(), "tcp:10.0.2.2:7");
        waiting += count;
    }
    take_frames();
    channel_t client = peer_client(), stream;
    status_t status = OK;
    uint8_t frame[2048];
    size_t size;
    peer_open(client, "tcp:10.0.2.2:9");
    EXPECT(waiting >= 64 && peer_opened(client, &status, &stream) && status == ERR_LIMIT);
    EXPECT(!peer_take(frame, &size));
}

TEST("a port that one client listens on at all addresses is not another's at one of them") {
    EXPECT(peer_start(static_config));
    channel_t first = peer_client(), second = peer_client(), channel;
    status_t status;
    EXPECT(listen_on(first, "tcp-listen:0.0.0.0:80").handle != HANDLE_INVALID);
    peer_open(second, "tcp-listen:10.0.2.15:80");
    EXPECT(peer_opened(second, &status, &channel) && status == ERR_BUSY);
    EXPECT(listen_on(first, "tcp-listen:10.0.2.15:81").handle != HANDLE_INVALID);
    peer_open(second, "tcp-listen:0.0.0.0:81");
    EXPECT(peer_opened(second, &status, &channel) && status == ERR_BUSY);
}

TEST("a socket that can't be served is taken back, and nothing is closed twice") {
    EXPECT(peer_start(static_config));
    channel_t client = peer_client(), channel;
    static const char *const uris[] = {"udp:0.0.0.0:9000", "tcp-listen:0.0.0.0:80"};
    size_t handles = fake_open_handles();
    status_t status;
    for (size_t i = 0; i < 2; i++) {
        fake_refuse_watches(true);
        peer_open(client, uris[i]);
        EXPECT(peer_opened(client, &status, &channel) && status == ERR_NO_MEMORY);
        fake_refuse_watches(false);
        EXPECT(fake_wrong_closes() == 0 && fake_open_handles() == handles);
    }
    EXPECT(listen_on(client, uris[0]).handle != HANDLE_INVALID && listen_on(client, uris[1]).handle != HANDLE_INVALID);
}
