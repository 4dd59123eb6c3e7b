// What the device is left to do: checksums, and cutting large segments.
// test-with: servers/tcpip/main.c servers/tcpip/uri.c servers/tcpip/checksum.c servers/tcpip/clocks.c servers/tcpip/heap.c
// test-with: servers/tcpip/link.c servers/tcpip/port.c servers/tcpip/resolve.c servers/tcpip/stack.c servers/tcpip/copy.c
// test-with: servers/tcpip/tcp_connect.c servers/tcpip/tcp_listener.c servers/tcpip/tcp_receive.c servers/tcpip/tcp_send.c
// test-with: servers/tcpip/tcp_stream.c servers/tcpip/udp_socket.c servers/tcpip/testing/client.c servers/tcpip/testing/peer.c
// test-with: servers/tcpip/offload.c servers/tcpip/tcp_segment.c servers/tcpip/transmit.c servers/tcpip/cut.c
// test-with: servers/tcpip/acks.c servers/tcpip/direct.c servers/tcpip/resting_acks.c lib/lending/lending.c
#include "testing/client.h"

#include "datagram.h"

#include <ring/frame_region.h>
#include <test/test.h>

enum : uint16_t { BOTH = FRAME_CHECKSUM_NEEDED | FRAME_SEGMENTS_NEEDED };
enum { FOLIO_SIZE = 200000 };

static bool set_up_with(uint16_t offloads, struct remote *remote, channel_t *out_stream) {
    peer_driver_offers(offloads);
    bool is_up = set_up(remote, out_stream);
    peer_driver_offers(0);
    return is_up;
}

// Acknowledges all that comes. Returns how much was not cut into this size where it had to be.
static size_t receive_segments(struct remote *remote, size_t cut, size_t *out_longest) {
    static struct segment segment;
    size_t size = 0, wrong = 0;
    *out_longest = 0;
    while (size < FOLIO_SIZE && remote_receive(remote, &segment)) {
        if (segment.sequence != remote->expected) {
            continue;
        }
        wrong += segment.size > cut && (peer_segment_size() != cut || segment.size > FRAME_PARTS_MAX * FRAME_ROOM);
        *out_longest = segment.size > *out_longest ? segment.size : *out_longest;
        __builtin_memcpy(received + size, segment.data, segment.size);
        size += segment.size;
        remote->expected += (uint32_t) segment.size;
        remote_send(remote, ACK, nullptr, 0);
    }
    return size == FOLIO_SIZE && are_equal(received, bytes, size) ? wrong : SIZE_MAX;
}

TEST("checksums that the device fills in come out right, of connections and of datagrams") {
    struct remote remote;
    channel_t stream;
    uint8_t frame[2048];
    size_t size;
    EXPECT(set_up_with(FRAME_CHECKSUM_NEEDED, &remote, &stream));
    write_bytes(stream, bytes, 101);
    EXPECT_EQ(remote_receive_data(&remote, received, sizeof(received)), 101);
    struct datagram_send_to request = {.address = PEER_ADDRESS, .port = 53000, .data = BYTES("pong")};
    struct message message;
    channel_t socket = listen_on(peer_client(), "udp:0.0.0.0:9000");
    EXPECT_EQ(datagram_send_to_encode(&request, &message), OK);
    send_message(socket, &message);
    EXPECT(peer_take(frame, &size));
    uint16_t sum = (uint16_t) (frame[40] << 8 | frame[41]), expected = 0xffff;
    static const uint8_t covered[] = {10, 0,    2,    15,   10,   0, 2,  2,   0,   17,  0,
                                      12, 0x23, 0x28, 0xcf, 0x08, 0, 12, 'p', 'o', 'n', 'g'};
    uint32_t total = sum;
    for (size_t i = 0; i < sizeof(covered); i += 2) {
        total += (uint32_t) (covered[i] << 8 | covered[i + 1]);
    }
    EXPECT_EQ((total & 0xffff) + (total >> 16), expected);
}

TEST("without a device that cuts segments none is longer than the remote end's") {
    struct remote remote;
    channel_t stream;
    size_t longest;
    EXPECT(set_up_with(FRAME_CHECKSUM_NEEDED, &remote, &stream));
    write_lent(stream, 0, FOLIO_SIZE);
    EXPECT_EQ(receive_segments(&remote, 1460, &longest), 0);
    EXPECT_EQ(longest, 1460);
}

TEST("with one, they grow with the window, and say what the remote end takes") {
    static const uint16_t sizes[] = {1460, 1400, 536, 61};
    struct remote remote;
    channel_t stream;
    EXPECT(set_up_with(BOTH, &remote, &stream));
    channel_t listener = listen_on(lender, "tcp-listen:0.0.0.0:81");
    for (uint16_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t longest;
        remote = (struct remote) {.port = 6000 + i, .other_port = 81, .window = UINT16_MAX, .mss = sizes[i]};
        EXPECT(remote_connect_as(&remote) && accept_stream(listener, &stream));
        write_lent(stream, 0, FOLIO_SIZE);
        EXPECT_EQ(receive_segments(&remote, sizes[i], &longest), 0);
        EXPECT(longest > 2 * (size_t) sizes[i] && longest <= UINT16_MAX / 4);
        EXPECT_EQ(longest % sizes[i], 0);
    }
}

TEST("a large segment that is lost is sent again") {
    static struct segment segment;
    struct remote remote;
    channel_t stream;
    size_t longest;
    EXPECT(set_up_with(BOTH, &remote, &stream));
    size_t mappings = fake_mappings();
    write_lent(stream, 0, FOLIO_SIZE);
    EXPECT_EQ(receive_segments(&remote, 1460, &longest), 0);
    write_lent(stream, 0, FOLIO_SIZE);
    EXPECT(remote_receive(&remote, &segment) && segment.size > 1460);
    while (remote_receive(&remote, &segment)) {
    }
    for (int i = 0; i < 12; i++) {
        fake_advance(NSEC_PER_SEC / 4);
    }
    EXPECT_EQ(receive_segments(&remote, 1460, &longest), 0);
    EXPECT_EQ(fake_mappings(), mappings);
}

TEST("a window that stays smaller than a large segment gets what it has room for") {
    static struct segment segment;
    struct remote remote;
    channel_t stream;
    size_t longest, size = 0;
    EXPECT(set_up_with(BOTH, &remote, &stream));
    write_lent(stream, 0, FOLIO_SIZE);
    EXPECT_EQ(receive_segments(&remote, 1460, &longest), 0);
    remote.window = 1000;
    for (int i = 0; i < 2; i++) {
        remote_send(&remote, ACK | PSH, bytes, 1); // without a new byte before it, a smaller window counts as an old one
    }
    write_lent(stream, 0, 4 * longest);
    for (int i = 0; i < 2000 && size < 4 * longest; i++) {
        while (remote_receive(&remote, &segment)) {
            bool is_next = segment.sequence == remote.expected;
            EXPECT(!is_next || segment.size <= 1000);
            size += is_next ? segment.size : 0;
            remote.expected += is_next ? (uint32_t) segment.size : 0;
            remote_send(&remote, ACK, nullptr, 0);
        }
        fake_advance(NSEC_PER_SEC / 4);
    }
    EXPECT_EQ(size, 4 * longest);
}

TEST("what the driver vouches for is not checked again, what it does not is") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    remote.spoils_checksums = true;
    remote_send(&remote, ACK | PSH, bytes, 10);
    EXPECT_EQ(receive_stream(stream, received, sizeof(received)), 0);
    remote.sequence -= 10;
    peer_trust_checksums(true);
    remote_send(&remote, ACK | PSH, bytes, 10);
    peer_trust_checksums(false);
    EXPECT_EQ(receive_stream(stream, received, sizeof(received)), 10);
    remote_send(&remote, ACK | PSH, bytes, 10);
    EXPECT_EQ(receive_stream(stream, received, sizeof(received)), 0);
}

TEST("large frames are received as they were sent, in order and out of it, and their buffers go back") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    uint32_t start = remote.sequence;
    remote.sequence = start + 15000;
    remote_send(&remote, ACK | PSH, bytes + 15000, 15000);
    remote.sequence = start;
    remote_send(&remote, ACK | PSH, bytes, 15000);
    size_t size = receive_stream(stream, received, sizeof(received));
    for (size_t more = size; more > 0; size += more) {
        fake_run();
        more = receive_stream(stream, received + size, sizeof(received) - size);
    }
    EXPECT_EQ(size, 30000);
    EXPECT(are_equal(received, bytes, 30000));
    EXPECT_EQ(peer_buffers_away(), 0);
}

TEST("a frame without an end or of too many parts is the driver's last, and connections go on with the next one") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    for (size_t parts = 1; parts <= 40; parts += 13) {
        peer_give_unfinished(parts);
        peer_driver_answer(OK);
        fake_advance(NSEC_PER_SEC);
        write_bytes(stream, bytes, 100);
        fake_advance(2 * NSEC_PER_SEC);
        EXPECT_EQ(remote_receive_data(&remote, received, sizeof(received)), 100);
    }
}
