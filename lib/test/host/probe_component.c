// A component for the framework's tests, and the tests' way to play its supervisor and peers.
#include "probe_component.h"

#include <probe.server.h>

struct probe_record probe;

// --- The component ---

static status_t probe_add(struct client *client, const struct probe_add *request, struct probe_add_reply *reply) {
    client->requests++;
    if (request->a > UINT32_MAX - request->b) {
        return ERR_INVALID_ARGUMENT;
    }
    reply->sum = request->a + request->b;
    return OK;
}

static status_t probe_every(struct client *client, const struct probe_every *request, struct probe_every_reply *reply) {
    client->requests++;
    *reply = (struct probe_every_reply) {.text = request->text, .folio = folio_take(&request->folio)};
    reply->channel = channel_take(&request->channel);
    return request->flag ? OK : ERR_BUSY;
}

static status_t probe_later(struct client *client, struct probe_later_reply *reply) {
    (void) reply;
    if (probe.waiting_count == PROBE_WAITING_MAX) {
        return PENDING; // without a deferral: the framework has to answer
    }
    probe.waiting[probe.waiting_count++] = probe_later_defer(client);
    return PENDING;
}

static status_t probe_release(struct client *client) {
    (void) client;
    if (probe.waiting_count == 0) {
        return OK;
    }
    struct probe_later_reply reply = {.text = BYTES("at last")};
    probe_later_complete(probe.waiting[--probe.waiting_count], OK, &reply);
    return OK;
}

static status_t probe_keep(struct client *client, const struct probe_keep *request) {
    (void) client;
    if (request->keep) {
        probe.kept = folio_take(&request->folio);
    }
    return OK;
}

static status_t probe_fail(struct client *client) {
    (void) client;
    return ERR_STATE;
}

static status_t start(void) {
    return probe.start_status;
}

static status_t connected(struct client *client) {
    return probe.pauses_clients ? channel_pause(client_channel(client), true) : OK;
}

static void disconnected(struct client *client) {
    (void) client;
    probe.disconnects++;
}

void probe_writable(struct client *client) {
    (void) client;
    probe.writables++;
}

status_t probe_serve_channel(channel_t channel, struct client *client, void (*on_closed)(struct client *),
                             void (*on_writable)(struct client *)) {
    return probe_serve(channel, client, on_closed, on_writable);
}

COMPONENT(probe_component, .clients = PROBE_CLIENTS, .deferred = PROBE_WAITING_MAX, .start = start, .on_connect = connected,
          .on_disconnect = disconnected, .on_writable = probe_writable);

// --- Supervisor and peers ---

void set_up(void) {
    fake_prepare();
    channel_t any, unused;
    fake_channel_pair(&any, &unused);
    probe.object = any.handle;
}

void give_start(void) {
    fake_start("probe_1", "port=80\nroot=/site\nport=8080\n");
}

channel_t give_client(void) {
    return fake_client("probe");
}

channel_t give_service(void) {
    return fake_service("probe");
}

channel_t set_up_with_client(void) {
    set_up();
    give_start();
    return give_client();
}

channel_t set_up_with_service(void) {
    set_up();
    channel_t server = give_service();
    give_start();
    return server;
}

void send_add(channel_t client, uint32_t transaction, uint32_t a, uint32_t b) {
    struct message message;
    struct probe_add request = {a, b};
    if (probe_add_encode(&request, &message) == OK) {
        message.header.transaction = transaction;
        fake_send(client, &message);
    }
}

bool receive_sum(channel_t client, uint32_t transaction, uint32_t sum) {
    struct message message;
    struct probe_add_reply reply;
    return fake_receive(client, &message) && message.header.transaction == transaction &&
           message.header.kind == (PROBE_ADD | MESSAGE_REPLY) && probe_add_reply_decode(&message, &reply) == OK &&
           reply.sum == sum;
}

bool receive_status(channel_t client, status_t status) {
    struct message message;
    return fake_receive(client, &message) && message.header.status == status && message.header.length == 0 &&
           (message.header.kind & MESSAGE_CLASS_MASK) == MESSAGE_REPLY;
}

void send_empty(channel_t client, uint32_t kind) {
    struct message message = {.header = {.kind = kind, .transaction = 5}};
    fake_send(client, &message);
}
