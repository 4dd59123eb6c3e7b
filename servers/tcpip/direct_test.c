// What is checked of segments of open connections before they go straight to lwIP's TCP.
// test-with: servers/tcpip/main.c servers/tcpip/uri.c servers/tcpip/checksum.c servers/tcpip/clocks.c servers/tcpip/heap.c
// test-with: servers/tcpip/link.c servers/tcpip/port.c servers/tcpip/resolve.c servers/tcpip/stack.c servers/tcpip/copy.c
// test-with: servers/tcpip/tcp_connect.c servers/tcpip/tcp_listener.c servers/tcpip/tcp_receive.c servers/tcpip/tcp_send.c
// test-with: servers/tcpip/tcp_stream.c servers/tcpip/udp_socket.c servers/tcpip/testing/client.c servers/tcpip/testing/peer.c
// test-with: servers/tcpip/offload.c servers/tcpip/tcp_segment.c servers/tcpip/transmit.c servers/tcpip/cut.c
// test-with: servers/tcpip/acks.c servers/tcpip/direct.c servers/tcpip/resting_acks.c lib/lending/lending.c
#include <lwip/stats.h>

#include "headers.h"
#include "testing/client.h"

#include <test/test.h>

static void put_length(uint8_t *frame, size_t length) {
    frame[IP_AT + 2] = (uint8_t) (length >> 8);
    frame[IP_AT + 3] = (uint8_t) length;
    peer_sum_header(frame);
}

enum : size_t { SIZE = 10 };

TEST("a segment whose IP header is wrong is not received, and the same one sound is") {
    static const struct {
        size_t at;
        uint8_t value;
        bool has_right_sum;
    } cases[] = {{IP_AT + 10, 0x12, false}, {IP_AT + 6, 0x20, true}, {IP_AT + 7, 1, true}, {IP_AT + 2, 1, true}};
    struct remote remote;
    channel_t stream;
    uint8_t frame[100];
    EXPECT(set_up(&remote, &stream));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct remote before = remote;
        size_t size = remote_make(&remote, ACK | PSH, bytes, SIZE, frame);
        frame[cases[i].at] = cases[i].value;
        if (cases[i].has_right_sum) {
            peer_sum_header(frame);
        }
        peer_give(frame, size);
        EXPECT_EQ(receive_stream(stream, received, sizeof(received)), 0);
        remote = before;
        remote_send(&remote, ACK | PSH, bytes, SIZE);
        EXPECT_EQ(receive_stream(stream, received, sizeof(received)), SIZE);
    }
}

TEST("a segment that ends within its header takes no other one's place") {
    struct remote remote;
    struct segment segment;
    channel_t stream;
    uint8_t frame[100];
    EXPECT(set_up(&remote, &stream));
    for (unsigned i = 0; i < 2; i++) {
        write_bytes(stream, bytes, SIZE);
        EXPECT(remote_receive(&remote, &segment));
    }
    remote.expected += SIZE;
    remote_send(&remote, ACK, nullptr, 0); // rests
    remote.expected += SIZE;
    size_t size = remote_make(&remote, ACK, nullptr, 0, frame);
    put_length(frame, IP_HLEN + TCP_HLEN - 1);
    peer_give(frame, size);
    unsigned before = lwip_stats.tcp.recv;
    fake_advance(NSEC_PER_SEC / 4);
    EXPECT_EQ(lwip_stats.tcp.recv - before, 1);
}
