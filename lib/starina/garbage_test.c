// Peers that send anything at all: no crash, no handle leaked, and honest ones are served all the same.
#include <test/host/probe_component.h>
#include <test/test.h>

enum { ROUNDS = 20000 };

static uint64_t seed = 88172645463325252;

// xorshift64: the same garbage in every run.
static uint32_t random_below(uint32_t limit) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t) (seed >> 32) % limit;
}

// Mostly near the truth: the right interface, small numbers, lengths about right.
static void make_garbage(struct message *message) {
    uint8_t *bytes = (uint8_t *) message;
    for (size_t i = 0; i < sizeof(message->header) + 64; i++) {
        bytes[i] = (uint8_t) random_below(random_below(4) == 0 ? 256 : 2);
    }
    message->header.kind = PROBE_INTERFACE | random_below(10) << 2 | random_below(4);
    message->header.status = (int32_t) random_below(4) - 2;
    message->header.transaction = random_below(3) << 16 | random_below(3);
    message->header.length = (uint16_t) random_below(48);
    message->header.handle_count = (uint16_t) (random_below(3) == 0 ? 1 + random_below(2) : 0);
    for (uint16_t i = 0; i < message->header.handle_count; i++) {
        channel_t theirs, ours;
        fake_channel_pair(&theirs, &ours);
        fake_close(ours);
        message->header.handles[i] = theirs.handle;
    }
}

static void drain(channel_t peer) {
    struct message message;
    while (fake_receive(peer, &message)) {
        for (uint16_t i = 0; i < message.header.handle_count; i++) {
            fake_close((channel_t) {message.header.handles[i]});
        }
    }
}

// A peer whose connection was ended goes, and another one comes.
static channel_t still_connected(channel_t peer, channel_t (*connect)(void)) {
    if (fake_has_peer(peer)) {
        return peer;
    }
    drain(peer);
    fake_close(peer);
    return connect();
}

static void forget_kept(void) {
    if (fake_is_open(probe.kept.handle)) {
        fake_close((channel_t) {probe.kept.handle});
    }
}

TEST("clients that send garbage harm neither the component nor others") {
    channel_t honest = set_up_with_client(), hostile = give_client();
    size_t open = fake_open_handles();
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct message message;
        make_garbage(&message);
        fake_send(hostile, &message);
        send_add(honest, i, i, 1);
        fake_run();
        EXPECT(receive_sum(honest, i, i + 1));
        drain(hostile);
        forget_kept();
        hostile = still_connected(hostile, give_client);
        EXPECT_EQ(fake_open_handles(), open);
    }
    EXPECT(component_counters.malformed > ROUNDS / 4);
    EXPECT(probe.disconnects > 100);
}

static size_t done_count;

static void on_every(void *context, status_t status, const struct probe_every_reply *reply) {
    (void) context;
    done_count += status == OK ? reply->text.len <= PROBE_EVERY_REPLY_TEXT_MAX : 1;
}

static channel_t serve_again(void) {
    channel_t server = give_service();
    return probe_attach_plain(service_channel("probe")) == OK ? server : (channel_t) {};
}

TEST("a server that answers garbage completes each call at most once") {
    set_up_with_service();
    channel_t server = serve_again();
    size_t begun = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct probe_every request = {};
        channel_t unused;
        fake_channel_pair(&request.channel, &unused);
        request.folio.handle = unused.handle;
        status_t status = probe_every_begin(service_channel("probe"), &request, on_every, nullptr);
        if (status == OK) {
            begun++;
        } else {
            fake_close(request.channel);
            fake_close(unused);
        }
        drain(server);
        struct message message;
        make_garbage(&message);
        fake_send(server, &message);
        fake_run();
        EXPECT(done_count <= begun);
        server = still_connected(server, serve_again);
        EXPECT(fake_is_open(server.handle));
    }
    fake_close(server);
    fake_run();
    EXPECT_EQ(done_count, begun);
}
