// Channels between components that come and go in any order.
// test-with: servers/init/links.c servers/init/system.c
#include "instance.h"

#include <supervisor.h>

#include <test/host/fake_supervisor.h>
#include <test/test.h>

COMPONENT(init_test); // the framework wants one

enum { SERVER, CLIENT };

struct inventory inventory;
static struct system_component wants[2] = {{.name = "server"}, {.name = "client"}};
static const struct system_link link = {.service = "echo", .client = CLIENT, .server = SERVER};

void instance_kill(struct instance *instance) {
    (void) instance;
}

status_t inspect_connect(channel_t channel, struct instance *client) {
    (void) channel;
    (void) client;
    return OK;
}

// Starts one as far as links go. Returns its end of the bootstrap channel.
static channel_t begin(uint32_t index) {
    struct instance *instance = &inventory.instances[index];
    channel_t theirs;
    fake_channel_pair(&instance->bootstrap, &theirs);
    instance->state = COMPONENT_STARTING;
    return links_connect(instance) == OK ? theirs : (channel_t) {};
}

static void set_up(void) {
    fake_prepare();
    inventory.system = (struct system) {.components = wants, .links = &link, .component_count = 2, .link_count = 1};
    for (uint32_t i = 0; i < 2; i++) {
        inventory.instances[i] = (struct instance) {.wants = &wants[i], .index = i, .state = COMPONENT_WAITING};
    }
}

static channel_t take_service(channel_t bootstrap) {
    struct message message;
    struct supervisor_service event = {};
    bool is_given = fake_receive(bootstrap, &message) && supervisor_service_decode(&message, &event) == OK;
    return is_given ? event.channel : (channel_t) {};
}

static channel_t take_client(channel_t bootstrap) {
    struct message message;
    struct supervisor_connect event = {};
    bool is_given = fake_receive(bootstrap, &message) && supervisor_connect_decode(&message, &event) == OK;
    return is_given ? event.channel : (channel_t) {};
}

// What the client sends arrives at the server.
static bool are_linked(channel_t client, channel_t server) {
    struct message message = {.header = {.kind = 4}}, received;
    fake_send(client, &message);
    return fake_receive(server, &received) && received.header.kind == 4;
}

TEST("a client that starts before its server is connected when the server starts") {
    set_up();
    channel_t client = take_service(begin(CLIENT));
    channel_t server = take_client(begin(SERVER));
    EXPECT(are_linked(client, server));
}

TEST("a client that starts while its server goes is connected to the next one") {
    set_up();
    (void) begin(SERVER);
    struct instance *gone = &inventory.instances[SERVER];
    gone->state = COMPONENT_SERVING;
    gone->bootstrap = (channel_t) {HANDLE_INVALID}; // its exit was not heard of yet
    channel_t client = take_service(begin(CLIENT));
    EXPECT(fake_has_peer(client));
    gone->state = COMPONENT_WAITING;
    links_disconnect(gone);
    EXPECT(fake_has_peer(client));
    channel_t server = take_client(begin(SERVER));
    EXPECT(are_linked(client, server));
}

TEST("a client of a server that went for good finds its channel closed") {
    set_up();
    (void) begin(SERVER);
    struct instance *gone = &inventory.instances[SERVER];
    gone->bootstrap = (channel_t) {HANDLE_INVALID};
    channel_t client = take_service(begin(CLIENT));
    gone->state = COMPONENT_ENDED;
    links_disconnect(gone);
    EXPECT(!fake_has_peer(client));
}
