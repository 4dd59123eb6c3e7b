// Acknowledgements that lwIP does not see at once, and what makes it see them.
// test-with: servers/tcpip/main.c servers/tcpip/uri.c servers/tcpip/checksum.c servers/tcpip/clocks.c servers/tcpip/heap.c
// test-with: servers/tcpip/link.c servers/tcpip/port.c servers/tcpip/resolve.c servers/tcpip/stack.c servers/tcpip/copy.c
// test-with: servers/tcpip/tcp_connect.c servers/tcpip/tcp_listener.c servers/tcpip/tcp_receive.c servers/tcpip/tcp_send.c
// test-with: servers/tcpip/tcp_stream.c servers/tcpip/udp_socket.c servers/tcpip/testing/client.c servers/tcpip/testing/peer.c
// test-with: servers/tcpip/offload.c servers/tcpip/tcp_segment.c servers/tcpip/transmit.c servers/tcpip/cut.c
// test-with: servers/tcpip/acks.c servers/tcpip/direct.c servers/tcpip/resting_acks.c lib/lending/lending.c
#include <lwip/stats.h>

#include "resting_acks.h"
#include "testing/client.h"

#include "stream.h"

#include <test/test.h>

enum : size_t { ANSWER = 1000 };

// An answer is written, received and acknowledged. Returns how many segments lwIP has seen of that.
static unsigned answer(struct remote *remote, channel_t stream) {
    unsigned before = lwip_stats.tcp.recv;
    write_bytes(stream, bytes, ANSWER);
    size_t size = remote_receive_data(remote, received, sizeof(received));
    return size == ANSWER ? lwip_stats.tcp.recv - before : UINT32_MAX;
}

static bool ask(struct remote *remote, channel_t stream) {
    remote_send(remote, ACK | PSH, bytes, 10);
    return receive_stream(stream, received, sizeof(received)) == 10;
}

TEST("the request after an answer takes the place of what acknowledged the answer alone") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    unsigned before = lwip_stats.tcp.recv;
    for (unsigned i = 0; i < 100; i++) {
        EXPECT(ask(&remote, stream));
        EXPECT_EQ(answer(&remote, stream), 0);
    }
    EXPECT_EQ(lwip_stats.tcp.recv - before, 100);
}

TEST("the clock's next tick makes lwIP see it, and nothing is sent twice") {
    struct remote remote;
    channel_t stream;
    struct segment segment;
    EXPECT(set_up(&remote, &stream));
    EXPECT_EQ(answer(&remote, stream), 0);
    unsigned before = lwip_stats.tcp.recv;
    fake_advance(NSEC_PER_SEC / 4);
    EXPECT_EQ(lwip_stats.tcp.recv - before, 1);
    fake_advance(10 * NSEC_PER_SEC);
    EXPECT(!remote_receive(&remote, &segment));
}

TEST("who asks whether everything has arrived is told at once, before and after") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    EXPECT_EQ(answer(&remote, stream), 0);
    ask_drained(stream);
    EXPECT(receive_kind(stream, STREAM_DRAINED));
    write_bytes(stream, bytes, ANSWER);
    ask_drained(stream);
    EXPECT_EQ(remote_receive_data(&remote, received, sizeof(received)), ANSWER);
    EXPECT(receive_kind(stream, STREAM_DRAINED));
}

TEST("who finishes has it seen at once: the end of the connection waits for it") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    EXPECT_EQ(answer(&remote, stream), 0);
    unsigned before = lwip_stats.tcp.recv;
    finish(stream);
    EXPECT_EQ(lwip_stats.tcp.recv - before, 1);
}

TEST("what was lent is given back as soon as its lender wants it") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    size_t mappings = fake_mappings();
    write_lent(stream, 0, ANSWER);
    EXPECT_EQ(remote_receive_data(&remote, received, sizeof(received)), ANSWER);
    unlend(lender, lent_bytes);
    fake_run();
    EXPECT_EQ(fake_mappings(), mappings - 1);
}

TEST("a window that it opens can be used at once") {
    struct remote remote = {.port = 5000, .other_port = 80, .window = ANSWER, .sequence = 1};
    channel_t stream;
    EXPECT(peer_start(static_config));
    channel_t listener = listen_on(peer_client(), "tcp-listen:0.0.0.0:80");
    EXPECT(remote_connect_as(&remote) && accept_stream(listener, &stream));
    for (unsigned i = 0; i < 10; i++) {
        EXPECT_EQ(answer(&remote, stream), i == 0 ? 0 : 1); // the last one's
    }
}

// Of five segments the second is lost, and the remote end repeats what acknowledged the first. True: the second came again
static bool is_loss_mended(uint8_t options_of_repeated) {
    struct remote remote;
    struct segment first, segment;
    channel_t stream;
    bool is_up = set_up(&remote, &stream);
    for (unsigned i = 0; i < 20; i++) { // the window for so many segments opens
        is_up = is_up && remote_receive_data(&remote, received, sizeof(received)) == 0 && answer(&remote, stream) <= 1;
    }
    for (unsigned i = 0; i < 5; i++) {
        write_bytes(stream, bytes, 100);
    }
    is_up = is_up && remote_receive(&remote, &first) && first.sequence == remote.expected;
    while (remote_receive(&remote, &segment)) {
    }
    remote.expected = first.sequence + (uint32_t) first.size;
    remote_send(&remote, ACK, nullptr, 0);
    remote.options = options_of_repeated;
    for (unsigned i = 0; i < 3; i++) {
        remote_send(&remote, ACK, nullptr, 0);
    }
    return is_up && remote_receive(&remote, &segment) && segment.sequence == remote.expected;
}

TEST("repeated ones tell of a loss, which is mended at once") {
    EXPECT(is_loss_mended(0));
}

TEST("repeated ones with options, such as a list of what has arrived, do so too") {
    EXPECT(is_loss_mended(4));
}

TEST("a spoilt segment may take its place, and the connection goes on") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    EXPECT_EQ(answer(&remote, stream), 0);
    struct remote spoiler = remote;
    spoiler.spoils_checksums = true;
    remote_send(&spoiler, ACK | PSH, bytes, 10);
    EXPECT(ask(&remote, stream));
    EXPECT_EQ(answer(&remote, stream), 0);
    fake_advance(5 * NSEC_PER_SEC);
    ask_drained(stream);
    EXPECT(receive_kind(stream, STREAM_DRAINED));
}

TEST("one for bytes that were never sent rests not, and does no harm") {
    struct remote remote;
    struct segment segment;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    struct remote liar = remote;
    liar.expected += 100000;
    unsigned before = lwip_stats.tcp.recv;
    remote_send(&liar, ACK, nullptr, 0);
    EXPECT_EQ(lwip_stats.tcp.recv - before, 1);
    while (remote_receive(&remote, &segment)) {
    }
    EXPECT(ask(&remote, stream));
    EXPECT_EQ(answer(&remote, stream), 0);
}

TEST("a connection that its client ends meanwhile takes it along") {
    struct remote remote;
    struct segment segment;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    EXPECT_EQ(answer(&remote, stream), 0);
    fake_close(stream);
    fake_run();
    EXPECT(remote_receive(&remote, &segment) && (segment.flags & RST) != 0);
    fake_advance(NSEC_PER_SEC);
    EXPECT(!remote_receive(&remote, &segment));
    EXPECT(remote_connect(&remote, 5000, 80));
}

TEST("a segment that acknowledges less does not take its place") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    EXPECT_EQ(answer(&remote, stream), 0);
    remote.expected -= ANSWER / 2;
    EXPECT(ask(&remote, stream));
    ask_drained(stream);
    EXPECT(receive_kind(stream, STREAM_DRAINED));
}

TEST("one that the driver alters after it was found to be plain rests not") {
    static const struct {
        size_t at;
        uint8_t value;
    } cases[] = {{13, 6}, {14, 0x46}, {17, 41}, {20, 0x20}, {23, 17}, {46, 0x60}, {47, ACK | FIN}, {47, ACK | SYN}};
    struct remote remote;
    struct segment segment;
    channel_t stream;
    uint8_t frame[RESTING_ACK_SIZE];
    EXPECT(set_up(&remote, &stream));
    write_bytes(stream, bytes, ANSWER);
    EXPECT(remote_receive(&remote, &segment));
    remote.expected += ANSWER;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void) remote_make(&remote, ACK, nullptr, 0, frame);
        frame[cases[i].at] = cases[i].value;
        EXPECT(!resting_ack_keep(frame, true));
    }
    (void) remote_make(&remote, ACK, nullptr, 0, frame);
    EXPECT(resting_ack_keep(frame, true));
}

// What acknowledges an answer has a wrong checksum. True: lwIP, when it sees it, believes it
static bool is_spoilt_believed(bool driver_vouches) {
    struct remote remote;
    channel_t stream;
    bool is_up = set_up(&remote, &stream);
    peer_trust_checksums(driver_vouches);
    remote.spoils_checksums = true;
    is_up = is_up && answer(&remote, stream) == 0;
    fake_advance(NSEC_PER_SEC / 4);
    ask_drained(stream);
    return is_up && receive_kind(stream, STREAM_DRAINED);
}

TEST("its checksum is checked when lwIP sees it") {
    unsigned wrong = lwip_stats.tcp.chkerr;
    EXPECT(!is_spoilt_believed(false));
    EXPECT_EQ(lwip_stats.tcp.chkerr - wrong, 1);
}

TEST("its checksum is not checked if the driver vouches for it") {
    EXPECT(is_spoilt_believed(true));
}

// How many segments lwIP sees when this one comes.
static unsigned seen_with(struct remote *remote, uint8_t flags, size_t size) {
    unsigned before = lwip_stats.tcp.recv;
    remote_send(remote, flags, bytes, size);
    return lwip_stats.tcp.recv - before;
}

TEST("one that acknowledges nothing new, or does not follow, rests not") {
    struct remote remote;
    struct segment segment;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    EXPECT_EQ(answer(&remote, stream), 0);
    fake_advance(NSEC_PER_SEC / 4);
    EXPECT_EQ(seen_with(&remote, ACK, 0), 1);
    write_bytes(stream, bytes, ANSWER);
    EXPECT(remote_receive(&remote, &segment));
    remote.expected += ANSWER;
    remote.sequence++;
    EXPECT_EQ(seen_with(&remote, ACK, 0), 1);
}

TEST("lwIP sees it before what resets the connection") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    EXPECT_EQ(answer(&remote, stream), 0);
    remote.expected++; // more than it
    EXPECT_EQ(seen_with(&remote, RST | ACK, 0), 2);
}

TEST("lwIP sees it before what does not follow") {
    struct remote remote;
    channel_t stream;
    EXPECT(set_up(&remote, &stream));
    EXPECT_EQ(answer(&remote, stream), 0);
    remote.sequence += 100;
    EXPECT_EQ(seen_with(&remote, ACK | PSH, 10), 2);
}
