// Addresses and name servers from DHCP.
// test-with: servers/tcpip/main.c servers/tcpip/uri.c servers/tcpip/checksum.c servers/tcpip/clocks.c servers/tcpip/heap.c
// test-with: servers/tcpip/link.c servers/tcpip/port.c servers/tcpip/resolve.c servers/tcpip/stack.c servers/tcpip/copy.c
// test-with: servers/tcpip/tcp_connect.c servers/tcpip/tcp_listener.c servers/tcpip/tcp_receive.c servers/tcpip/tcp_send.c
// test-with: servers/tcpip/tcp_stream.c servers/tcpip/udp_socket.c servers/tcpip/testing/client.c servers/tcpip/testing/peer.c
// test-with: servers/tcpip/offload.c servers/tcpip/tcp_segment.c servers/tcpip/transmit.c servers/tcpip/cut.c
// test-with: servers/tcpip/acks.c servers/tcpip/direct.c servers/tcpip/resting_acks.c lib/lending/lending.c
#include "testing/client.h"

#include <arpa/inet.h>

#include <starina/bytes.h>
#include <test/test.h>

enum { SERVER_PORT = 67, CLIENT_PORT = 68, DNS_PORT = 53, MESSAGE_AT = 42, OPTIONS_AT = 240, FRAME_MAX = 2048 };
enum : uint8_t { DISCOVER = 1, OFFER = 2, REQUEST = 3, ACKNOWLEDGE = 5, MESSAGE_TYPE = 53 };
enum : uint32_t { LEASE_S = 3600 };

static uint16_t port_at(const uint8_t *frame, size_t at) {
    return (uint16_t) (frame[at] << 8 | frame[at + 1]);
}

// The next datagram to this port; false: there is none.
static bool take_datagram(uint16_t port, uint8_t frame[FRAME_MAX]) {
    size_t size;
    while (peer_take(frame, &size)) {
        if (frame[23] == 17 && port_at(frame, 36) == port) {
            return true;
        }
    }
    return false;
}

// The next message to the DHCP server. lwIP writes its type first.
static uint8_t take_message(uint8_t frame[FRAME_MAX]) {
    bool is_message = take_datagram(SERVER_PORT, frame) && frame[MESSAGE_AT + OPTIONS_AT] == MESSAGE_TYPE;
    return is_message ? frame[MESSAGE_AT + OPTIONS_AT + 2] : 0;
}

static uint8_t *add_option(uint8_t *at, uint8_t option, uint32_t value) {
    *at++ = option;
    *at++ = sizeof(value);
    (void) mem_copy(at, sizeof(value), &value, sizeof(value));
    return at + sizeof(value);
}

static void answer(const uint8_t *question, uint8_t type) {
    uint8_t reply[300] = {2, 1, 6}, *option = reply + OPTIONS_AT;
    (void) mem_copy(reply + 4, 4, question + MESSAGE_AT + 4, 4);   // transaction
    (void) mem_copy(reply + 16, 4, &(uint32_t) {OUR_ADDRESS}, 4);  // the client's address
    (void) mem_copy(reply + 28, 6, question + MESSAGE_AT + 28, 6); // and its station
    (void) mem_copy(reply + 236, 4, (uint8_t[]) {99, 130, 83, 99}, 4);
    *option++ = MESSAGE_TYPE;
    *option++ = 1;
    *option++ = type;
    option = add_option(option, 54, PEER_ADDRESS);
    option = add_option(option, 51, htonl(LEASE_S));
    option = add_option(option, 1, htonl(0xffffff00));
    option = add_option(option, 6, PEER_DNS_ADDRESS);
    *option = 255;
    peer_give_udp(SERVER_PORT, CLIENT_PORT, reply, sizeof(reply));
}

static bool get_lease(const char *config) {
    uint8_t frame[FRAME_MAX];
    (void) peer_start(config);
    if (take_message(frame) != DISCOVER) {
        return false;
    }
    answer(frame, OFFER);
    if (take_message(frame) != REQUEST) {
        return false;
    }
    answer(frame, ACKNOWLEDGE);
    return true;
}

TEST("a lease is renewed when half of it is over, however late the timer comes") {
    uint8_t frame[FRAME_MAX];
    EXPECT(get_lease("dhcp=1\n"));
    EXPECT_EQ(take_message(frame), 0);
    fake_advance(LEASE_S / 2 * NSEC_PER_SEC + 61 * NSEC_PER_SEC);
    EXPECT_EQ(take_message(frame), REQUEST);
}

TEST("a lease that is over is not used, however late the timer comes") {
    uint8_t frame[FRAME_MAX];
    EXPECT(get_lease("dhcp=1\n"));
    fake_advance(LEASE_S * NSEC_PER_SEC + 61 * NSEC_PER_SEC);
    uint8_t type = take_message(frame);
    while (type != 0 && type != DISCOVER) {
        type = take_message(frame);
    }
    EXPECT_EQ(type, DISCOVER);
}

static bool asks(uint16_t port, uint32_t server) {
    uint8_t frame[FRAME_MAX];
    peer_open(peer_client(), "tcp:example.org:80");
    return take_datagram(port, frame) && bytes_equal((bytes_t) {frame + 30, 4}, (bytes_t) {(uint8_t *) &server, 4});
}

TEST("the name server that DHCP tells is asked") {
    EXPECT(get_lease("dhcp=1\n"));
    EXPECT(asks(DNS_PORT, PEER_DNS_ADDRESS));
}

TEST("a configured name server is asked at its port, whatever DHCP tells") {
    EXPECT(get_lease("dhcp=1\ndns=10.0.2.2:5353\n"));
    EXPECT(asks(5353, PEER_ADDRESS));
}
