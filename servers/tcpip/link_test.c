// What becomes of connections and of the component when its driver fails.
// test-with: servers/tcpip/main.c servers/tcpip/uri.c servers/tcpip/checksum.c servers/tcpip/clocks.c servers/tcpip/heap.c
// test-with: servers/tcpip/link.c servers/tcpip/port.c servers/tcpip/resolve.c servers/tcpip/stack.c servers/tcpip/copy.c
// test-with: servers/tcpip/tcp_connect.c servers/tcpip/tcp_listener.c servers/tcpip/tcp_receive.c servers/tcpip/tcp_send.c
// test-with: servers/tcpip/tcp_stream.c servers/tcpip/udp_socket.c servers/tcpip/testing/client.c servers/tcpip/testing/peer.c
// test-with: servers/tcpip/offload.c servers/tcpip/tcp_segment.c servers/tcpip/transmit.c servers/tcpip/cut.c
// test-with: servers/tcpip/acks.c servers/tcpip/direct.c servers/tcpip/resting_acks.c lib/lending/lending.c
#include "testing/client.h"

#include <test/test.h>

static bool is_served(struct remote *remote, channel_t stream) {
    write_bytes(stream, bytes, 100);
    fake_advance(2 * NSEC_PER_SEC); // what was lost is sent again
    return remote_receive_data(remote, received, sizeof(received)) == 100;
}

TEST("connections outlast a driver that was restarted") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    peer_driver_close();
    peer_driver_restart(OK);
    fake_run();
    EXPECT(is_served(&remote, stream));
}

TEST("a driver that could not be opened is asked again") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    peer_driver_close();
    peer_driver_restart(ERR_IO);
    fake_run();
    peer_driver_answer(OK);
    fake_advance(NSEC_PER_SEC);
    EXPECT(is_served(&remote, stream));
}

TEST("a driver that broke the rings is asked for others, and connections go on over these") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    peer_driver_break_rings();
    peer_driver_answer(OK);
    fake_advance(NSEC_PER_SEC);
    EXPECT(is_served(&remote, stream));
}

TEST("a driver that closes its channel and is not restarted ends the component in bounded time") {
    struct remote remote;
    channel_t stream;
    int64_t code = 0;
    EXPECT(set_up(&remote, &stream));
    peer_driver_close();
    for (int i = 0; i < 20 && !fake_exited(&code); i++) {
        fake_advance(NSEC_PER_SEC);
    }
    EXPECT(fake_exited(&code) && code == 1);
}
