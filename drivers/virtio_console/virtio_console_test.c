// The component between a gateway that does what the test says and a server that listens.
// test-with: drivers/virtio_console/virtio_console.c drivers/virtio_console/connection.c drivers/virtio_console/record.c
#include "port.h"
#include "record.h"

#include <test/host/fake_supervisor.h>
#include <test/test.h>

#include <listener.h>
#include <network.h>
#include <stream.h>
#include <supervisor.h>

// --- The port: what the host sent waits in `incoming`, what the component sends is collected in `outgoing` ---

static uint8_t incoming[1 << 20], outgoing[1 << 20], filling[PORT_BUFFER_SIZE];
static size_t incoming_size, incoming_taken, outgoing_size, outgoing_seen;
static size_t host_takes = SIZE_MAX; // so many more buffers
static size_t buffers_out;
static bool fails;
static struct port *the_port;
static void (*interrupt)(void *context, uint32_t causes);

status_t virtio_open(const struct device *, enum virtio_id, struct virtio_device *) {
    return OK;
}

status_t virtio_listen(struct virtio_device *, void (*handle)(void *context, uint32_t causes), void *) {
    interrupt = handle;
    return OK;
}

static void take_buffers(struct port *port) {
    while (buffers_out > 0 && host_takes > 0) {
        buffers_out--;
        host_takes -= host_takes != SIZE_MAX;
    }
    port->free_send_count = PORT_SEND_BUFFERS - buffers_out;
    port->send.in_flight = (uint16_t) buffers_out;
}

status_t port_start(const struct device *, struct port *port) {
    the_port = port;
    take_buffers(port);
    return OK;
}

status_t port_run(struct port *port) {
    take_buffers(port);
    return fails ? ERR_IO : OK;
}

status_t port_received(struct port *, bytes_t *out_bytes) {
    size_t left = incoming_size - incoming_taken;
    *out_bytes = (bytes_t) {incoming + incoming_taken, left < 100 ? left : 100};
    return OK;
}

void port_consume(struct port *, size_t count) {
    incoming_taken += count;
}

uint8_t *port_send_buffer(struct port *port) {
    return port->free_send_count > 0 ? filling : nullptr;
}

void port_send(struct port *port, size_t size) {
    __builtin_memcpy(outgoing + outgoing_size, filling, size);
    outgoing_size += size;
    buffers_out++;
    port->free_send_count = PORT_SEND_BUFFERS - buffers_out;
    port->send.in_flight = (uint16_t) buffers_out;
}

bool port_rest(struct port *, bool, bool wants_room) {
    return !wants_room || buffers_out == 0 || host_takes == 0;
}

static void host_event(void) {
    interrupt(nullptr, VIRTIO_QUEUE_USED);
    fake_run();
}

static void host_sends(enum record_type type, const void *data, size_t size) {
    record_write_header(incoming + incoming_size, type, size);
    __builtin_memcpy(incoming + incoming_size + RECORD_HEADER_SIZE, data, size);
    incoming_size += RECORD_HEADER_SIZE + size;
}

// The next record that the host got.
static bool host_gets(enum record_type type, const uint8_t **out_data, size_t *out_size) {
    const uint8_t *at = outgoing + outgoing_seen;
    if (outgoing_seen == outgoing_size || at[3] != type) {
        return false;
    }
    *out_size = at[0] | (size_t) at[1] << 8 | (size_t) at[2] << 16;
    *out_data = at + RECORD_HEADER_SIZE;
    outgoing_seen += RECORD_HEADER_SIZE + *out_size;
    return true;
}

static bool host_gets_empty(enum record_type type) {
    const uint8_t *data;
    size_t size;
    return host_gets(type, &data, &size) && size == 0;
}

// All data until something else comes.
static size_t host_gets_data(uint8_t *out, size_t capacity) {
    const uint8_t *data;
    size_t size, total = 0;
    while (host_gets(RECORD_DATA, &data, &size) && total + size <= capacity) {
        __builtin_memcpy(out + total, data, size);
        total += size;
    }
    return total;
}

// --- The server ---

static channel_t network;

static void start(void) {
    struct supervisor_device device = {.device = 0, .transport = 1};
    struct message message;
    incoming_size = incoming_taken = outgoing_size = outgoing_seen = buffers_out = 0;
    host_takes = SIZE_MAX;
    fails = false;
    fake_prepare();
    if (supervisor_device_encode(&device, &message) == OK) {
        fake_give(&message);
    }
    fake_start("virtio_console", "");
    network = fake_client("network");
}

static status_t open_uri(const char *uri, channel_t *out_channel) {
    struct message message;
    struct network_open request = {.uri = {(const uint8_t *) uri, __builtin_strlen(uri)}};
    struct network_open_reply reply;
    TRY(network_open_encode(&request, &message));
    fake_send(network, &message);
    fake_run();
    if (!fake_receive(network, &message)) {
        return ERR_EMPTY;
    }
    TRY((status_t) message.header.status);
    TRY(network_open_reply_decode(&message, &reply));
    *out_channel = reply.channel;
    return OK;
}

static bool accept_stream(channel_t listener, channel_t *out_stream) {
    struct message message;
    struct listener_accepted event;
    bool is_accepted = fake_receive(listener, &message) && listener_accepted_decode(&message, &event) == OK;
    *out_stream = event.stream;
    return is_accepted && event.address == 0x0100007f && event.port == 4660;
}

static const uint8_t visitor[RECORD_OPEN_SIZE] = {127, 0, 0, 1, 0x34, 0x12};

// Somebody listens, and a visitor is there.
static bool set_up(channel_t *out_stream) {
    channel_t listener;
    const uint8_t *ready;
    size_t size;
    start();
    bool is_open = open_uri("tcp-listen:0.0.0.0:80", &listener) == OK && host_gets(RECORD_READY, &ready, &size) && size == 8;
    host_sends(RECORD_OPEN, visitor, sizeof(visitor));
    host_event();
    return is_open && accept_stream(listener, out_stream);
}

static size_t stream_gets(channel_t stream, uint8_t *out) {
    struct message message;
    struct stream_data event;
    size_t total = 0;
    while (fake_receive(stream, &message) && stream_data_decode(&message, &event) == OK) {
        __builtin_memcpy(out + total, event.data.ptr, event.data.len);
        total += event.data.len;
        fake_run();
    }
    return total;
}

static void stream_writes(channel_t stream, const void *data, size_t size, bool more) {
    struct message message;
    struct stream_write request = {.more = more, .data = {data, size}};
    if (stream_write_encode(&request, &message) == OK) {
        fake_send(stream, &message);
        fake_run();
    }
}

// Lends 256 KiB to the network.
static uint32_t lend(void) {
    struct message message;
    struct network_lend request = {.size = 256 * 1024};
    struct network_lend_reply reply = {};
    if (folio_create(request.size, 0, &request.folio) == OK && network_lend_encode(&request, &message) == OK) {
        for (size_t i = 0; i < request.size; i++) {
            fake_folio_memory(request.folio)[i] = (uint8_t) (i * 7 + i / 251);
        }
        fake_send(network, &message);
        fake_run();
        (void) !(fake_receive(network, &message) && network_lend_reply_decode(&message, &reply) == OK);
    }
    return reply.lent;
}

static void unlend(uint32_t lent) {
    struct message message;
    if (network_unlend_encode(&(struct network_unlend) {.lent = lent}, &message) == OK) {
        fake_send(network, &message);
        fake_run();
    }
}

static void stream_writes_lent(channel_t stream, uint32_t lent, uint32_t offset, uint32_t size) {
    struct message message;
    struct stream_write_lent request = {.lent = lent, .offset = offset, .size = size, .data = BYTES("<")};
    if (stream_write_lent_encode(&request, &message) == OK) {
        fake_send(stream, &message);
        fake_run();
    }
}

static void stream_sends(channel_t stream, status_t (*encode)(struct message *message)) {
    struct message message;
    if (encode(&message) == OK) {
        fake_send(stream, &message);
        fake_run();
    }
}

static bool is_next(channel_t stream, uint32_t kind) {
    struct message message;
    return fake_receive(stream, &message) && message.header.kind == kind;
}

static uint8_t bytes[512 * 1024];

TEST("the gateway hears that somebody listens before anything else, and a visitor who came early waits for that") {
    channel_t listener, stream;
    const uint8_t *ready;
    size_t size;
    start();
    host_sends(RECORD_OPEN, visitor, sizeof(visitor));
    host_sends(RECORD_DATA, "hello", 5);
    host_event();
    EXPECT_EQ(outgoing_size, 0);
    EXPECT_EQ(open_uri("tcp-listen:0.0.0.0:80", &listener), OK);
    EXPECT(host_gets(RECORD_READY, &ready, &size) && size == 8);
    EXPECT(accept_stream(listener, &stream));
    EXPECT(stream_gets(stream, bytes) == 5 && __builtin_memcmp(bytes, "hello", 5) == 0);
}

TEST("bytes go both ways, those that more will follow in one record with these, and both ends are told") {
    channel_t stream;
    const uint8_t *data;
    size_t size;
    EXPECT(set_up(&stream));
    host_sends(RECORD_DATA, "GET /", 5);
    host_sends(RECORD_END, nullptr, 0);
    host_event();
    EXPECT_EQ(stream_gets(stream, bytes), 5); // and what came behind
    stream_writes(stream, "head ", 5, true);
    EXPECT_EQ(outgoing_seen, outgoing_size);
    stream_writes(stream, "body", 4, false);
    EXPECT(host_gets(RECORD_DATA, &data, &size) && size == 9 && __builtin_memcmp(data, "head body", 9) == 0);
    stream_sends(stream, stream_finish_encode);
    EXPECT(host_gets_empty(RECORD_END));
    fake_close(stream);
    fake_run();
    EXPECT_EQ(outgoing_seen, outgoing_size); // no ABORT behind it
}

TEST("the visitor's end is told after the last byte") {
    channel_t stream;
    EXPECT(set_up(&stream));
    host_sends(RECORD_END, nullptr, 0);
    host_event();
    EXPECT(is_next(stream, STREAM_FINISHED));
}

TEST("what was lent is sent whole, in order with what stands around it, and kept while it is sent") {
    channel_t stream;
    EXPECT(set_up(&stream));
    size_t mappings = fake_mappings();
    uint32_t lent = lend();
    host_takes = 0;
    stream_writes_lent(stream, lent, 1000, 200000);
    unlend(lent);
    EXPECT_EQ(fake_mappings(), mappings + 1);
    stream_writes(stream, ">", 1, false);
    host_takes = UINT32_MAX;
    host_event();
    EXPECT_EQ(host_gets_data(bytes, sizeof(bytes)), 200002);
    EXPECT(bytes[0] == '<' && bytes[200001] == '>');
    for (size_t i = 1; i <= 200000; i++) {
        EXPECT_EQ(bytes[i], (uint8_t) ((i + 999) * 7 + (i + 999) / 251));
    }
    EXPECT_EQ(fake_mappings(), mappings);
}

static bool is_refused(uint32_t name, uint32_t offset, uint32_t size) {
    channel_t stream;
    bool is_up = set_up(&stream) && lend() == 1;
    stream_writes_lent(stream, name, offset, size);
    return is_up && !fake_has_peer(stream);
}

TEST("a server that names what it has not lent loses its stream") {
    EXPECT(is_refused(2, 0, 1));
}

TEST("a server that writes from beyond the end of what it has lent loses its stream") {
    EXPECT(is_refused(1, 256 * 1024 + 1, 0));
}

TEST("a server that writes over the end of what it has lent loses its stream") {
    EXPECT(is_refused(1, UINT32_MAX, 2));
}

TEST("a host that takes nothing holds the server back; nothing is lost, and drained comes when all has gone") {
    channel_t stream;
    EXPECT(set_up(&stream));
    host_takes = 0;
    stream_writes_lent(stream, lend(), 0, 100000);
    stream_sends(stream, stream_drain_encode);
    stream_writes(stream, "end", 3, false);
    EXPECT(outgoing_size < 10 * PORT_BUFFER_SIZE);
    EXPECT(fake_queued(stream) > 0);
    for (unsigned i = 0; i < 100; i++) {
        host_takes = 1;
        host_event();
    }
    EXPECT(is_next(stream, STREAM_DRAINED));
    EXPECT_EQ(host_gets_data(bytes, sizeof(bytes)), 100004);
    EXPECT(__builtin_memcmp(bytes + 100001, "end", 3) == 0);
}

TEST("a server that does not read holds the host back; nothing is lost") {
    channel_t stream;
    EXPECT(set_up(&stream));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t) (i * 3 + i / 100);
    }
    for (size_t at = 0; at < 200000; at += 50000) {
        host_sends(RECORD_DATA, bytes + at, 50000);
    }
    host_event();
    EXPECT(incoming_taken < 100000);
    static uint8_t got[256 * 1024];
    size_t total = 0, more;
    while ((more = stream_gets(stream, got + total)) > 0) {
        total += more;
        host_event();
    }
    EXPECT(total == 200000 && __builtin_memcmp(got, bytes, total) == 0);
}

TEST("a server that leaves before it has finished has the visitor reset, as soon as the host takes it") {
    channel_t stream;
    EXPECT(set_up(&stream));
    host_takes = 0;
    size_t mappings = fake_mappings();
    uint32_t lent = lend();
    stream_writes_lent(stream, lent, 0, 100000);
    unlend(lent);
    EXPECT_EQ(fake_mappings(), mappings + 1);
    fake_close(stream);
    fake_run();
    EXPECT_EQ(fake_mappings(), mappings);
    host_takes = SIZE_MAX;
    host_event();
    EXPECT(host_gets_data(bytes, sizeof(bytes)) < 100000);
    EXPECT(host_gets_empty(RECORD_ABORT));
    host_sends(RECORD_DATA, "more", 4); // nobody reads it any more
    host_event();
    EXPECT_EQ(incoming_taken, incoming_size);
}

TEST("a visitor who comes while the server is being restarted waits for it") {
    channel_t listener, stream;
    start();
    EXPECT_EQ(open_uri("tcp-listen:0.0.0.0:80", &listener), OK);
    fake_close(listener); // nobody was told yet
    host_sends(RECORD_OPEN, visitor, sizeof(visitor));
    host_sends(RECORD_DATA, "hello", 5);
    host_event();
    EXPECT_EQ(open_uri("tcp-listen:0.0.0.0:80", &listener), OK);
    EXPECT(accept_stream(listener, &stream));
    EXPECT_EQ(stream_gets(stream, bytes), 5);
}

TEST("drained also comes for what more was to follow") {
    channel_t stream;
    EXPECT(set_up(&stream));
    stream_writes(stream, "part", 4, true);
    stream_sends(stream, stream_drain_encode);
    host_event();
    EXPECT(is_next(stream, STREAM_DRAINED));
    EXPECT_EQ(host_gets_data(bytes, sizeof(bytes)), 4);
}

TEST("only listening leads anywhere, and one listens at a time") {
    channel_t first, second;
    start();
    EXPECT_EQ(open_uri("tcp:10.0.0.1:80", &first), ERR_UNREACHABLE);
    EXPECT_EQ(open_uri("udp:0.0.0.0:53", &first), ERR_UNREACHABLE);
    EXPECT_EQ(open_uri("", &first), ERR_UNREACHABLE);
    EXPECT_EQ(open_uri("tcp-listen:0.0.0.0:80", &first), OK);
    EXPECT_EQ(open_uri("tcp-listen:0.0.0.0:81", &second), ERR_BUSY);
    fake_close(first);
    fake_run();
    EXPECT_EQ(open_uri("tcp-listen:0.0.0.0:80", &second), OK);
}

// The component looks at the port when the server writes, or begins to listen.
static bool has_ended(void) {
    int64_t code = 0;
    return fake_exited(&code) && code == 1;
}

TEST("a gateway that opens a second connection ends it") {
    channel_t stream;
    EXPECT(set_up(&stream));
    host_sends(RECORD_OPEN, visitor, sizeof(visitor));
    stream_writes(stream, "x", 1, false);
    EXPECT(has_ended());
}

TEST("a gateway that sends what only the machine may send ends it") {
    channel_t stream;
    EXPECT(set_up(&stream));
    host_sends(RECORD_READY, bytes, 8);
    stream_writes(stream, "x", 1, false);
    EXPECT(has_ended());
}

TEST("a gateway that sends bytes behind the end ends it") {
    channel_t stream;
    EXPECT(set_up(&stream));
    host_sends(RECORD_END, nullptr, 0);
    host_sends(RECORD_DATA, "more", 4);
    stream_writes(stream, "x", 1, false);
    EXPECT(has_ended());
}

TEST("a gateway that sends bytes before there is a visitor ends it") {
    channel_t listener;
    start();
    host_sends(RECORD_DATA, "early", 5);
    EXPECT_EQ(open_uri("tcp-listen:0.0.0.0:80", &listener), ERR_EMPTY);
    EXPECT(has_ended());
}

TEST("a device that breaks the rules ends it") {
    channel_t listener;
    start();
    fails = true;
    EXPECT_EQ(open_uri("tcp-listen:0.0.0.0:80", &listener), ERR_EMPTY);
    EXPECT(has_ended());
}
