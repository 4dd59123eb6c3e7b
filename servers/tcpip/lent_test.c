// What clients lend on its way to a device that reads it where it lies.
// test-with: servers/tcpip/main.c servers/tcpip/uri.c servers/tcpip/checksum.c servers/tcpip/clocks.c servers/tcpip/heap.c
// test-with: servers/tcpip/link.c servers/tcpip/port.c servers/tcpip/resolve.c servers/tcpip/stack.c servers/tcpip/copy.c
// test-with: servers/tcpip/tcp_connect.c servers/tcpip/tcp_listener.c servers/tcpip/tcp_receive.c servers/tcpip/tcp_send.c
// test-with: servers/tcpip/tcp_stream.c servers/tcpip/udp_socket.c servers/tcpip/testing/client.c servers/tcpip/testing/peer.c
// test-with: servers/tcpip/offload.c servers/tcpip/tcp_segment.c servers/tcpip/transmit.c servers/tcpip/cut.c
// test-with: servers/tcpip/acks.c servers/tcpip/direct.c servers/tcpip/resting_acks.c lib/lending/lending.c
#include "testing/client.h"

#include <starina/bytes.h>
#include <test/test.h>

enum : uint32_t { SIZE = 200000 };

static bool is_received(struct remote *remote) {
    return remote_receive_data(remote, received, sizeof(received)) == SIZE && are_equal(received, bytes, SIZE);
}

TEST("the device reads every byte of a body where it lies, also when it is sent again") {
    struct remote remote;
    struct segment segment;
    channel_t stream;
    EXPECT(set_up(&remote, &stream) && peer_lent_count() == 1);
    write_lent(stream, 0, SIZE);
    EXPECT(remote_receive(&remote, &segment) && segment.size > 0);
    uint64_t before = peer_lent_bytes_taken();
    EXPECT_EQ(before, segment.size);
    for (int i = 0; i < 12; i++) { // it was lost
        fake_advance(NSEC_PER_SEC / 4);
    }
    EXPECT(is_received(&remote));
    EXPECT(peer_lent_bytes_taken() >= before + SIZE);
}

TEST("a head goes in front of the body in one segment, and only it is copied") {
    struct remote remote;
    struct segment segment;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    write_named(stream, lent_bytes, 5, 500, BYTES("head"));
    EXPECT(remote_receive(&remote, &segment) && segment.size == 504);
    EXPECT(are_equal(segment.data, (const uint8_t *) "head", 4) && are_equal(segment.data + 4, bytes + 5, 500));
    EXPECT_EQ(peer_lent_bytes_taken(), 500);
}

TEST("what the driver does not take is copied") {
    struct remote remote;
    channel_t stream;
    peer_refuse_lent();
    EXPECT(set_up(&remote, &stream) && peer_lent_count() == 0);
    write_lent(stream, 0, SIZE);
    EXPECT(is_received(&remote) && peer_lent_bytes_taken() == 0);
}

TEST("what a driver had is lent to the one after it, and what it had under way is sent again") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream) && peer_lent_count() == 1);
    write_lent(stream, 0, SIZE);
    peer_driver_close();
    peer_driver_restart(OK);
    fake_run();
    EXPECT_EQ(peer_lent_count(), 1);
    for (int i = 0; i < 12; i++) {
        fake_advance(NSEC_PER_SEC / 4);
    }
    uint64_t before = peer_lent_bytes_taken();
    EXPECT(is_received(&remote) && peer_lent_bytes_taken() >= before + SIZE);
}

TEST("a range that is taken back is the driver's no longer, once the frames with its bytes are sent") {
    struct remote remote;
    struct segment segment;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    size_t mappings = fake_mappings();
    write_lent(stream, 0, 1000);
    unlend(lender, lent_bytes);
    EXPECT(peer_lent_count() == 1 && fake_mappings() == mappings);
    EXPECT(remote_receive(&remote, &segment) && segment.size == 1000);
    EXPECT(peer_lent_count() == 1 && fake_mappings() == mappings); // not acknowledged: it may be sent again
    remote.expected += 1000;
    remote_send(&remote, ACK, nullptr, 0);
    EXPECT(peer_lent_count() == 0 && fake_mappings() == mappings - 1);
}

TEST("a driver is not told to give back what the one before it had") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    write_lent(stream, 0, 1000);
    unlend(lender, lent_bytes);
    remote.expected += 1000; // of a frame that the driver still has
    remote_send(&remote, ACK, nullptr, 0);
    EXPECT_EQ(peer_lent_count(), 1);
    peer_driver_restart(OK); // before the old channel is seen to be dead
    fake_run();
    EXPECT(peer_lent_count() == 0 && peer_wrong_unlends() == 0);
}

TEST("a segment in more pieces than a frame has parts is sent all the same, and what has no part of its own is copied") {
    enum { PIECES = 40 };
    struct remote remote;
    struct segment segment;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    write_bytes(stream, bytes, 100);
    EXPECT(remote_receive(&remote, &segment) && segment.size == 100);
    remote.expected += 100;
    remote.window = 0;
    remote_send(&remote, ACK, nullptr, 0);
    for (uint32_t i = 0; i < PIECES; i++) {
        write_named(stream, lent_bytes, 7 * i, 3, BYTES("abcd"));
    }
    remote.window = UINT16_MAX;
    remote_send(&remote, ACK, nullptr, 0);
    size_t largest = 0, size = 0;
    while (remote_receive(&remote, &segment)) {
        __builtin_memcpy(received + size, segment.data, segment.size);
        size += segment.size;
        largest = segment.size > largest ? segment.size : largest;
    }
    EXPECT_EQ(largest, 7 * PIECES);
    EXPECT(size == 7 * PIECES);
    for (uint32_t i = 0; i < PIECES; i++) {
        EXPECT(are_equal(received + (size_t) 7 * i, (const uint8_t *) "abcd", 4));
        EXPECT(are_equal(received + (size_t) 7 * i + 4, bytes + (size_t) 7 * i, 3));
    }
}
