// http_server: serves the archive below `root`, and this machine's state as JSON. HTTP/1.1.
//
// Configuration: port, root, idle_timeout_ms, request_timeout_ms, send_timeout_ms, linger_timeout_ms, test_bodies.
#include "body.h"
#include "connection.h"
#include "machine_state.h"
#include "test_body.h"
#include "text.h"

#include <needs.h>
#include <network.client.h>

struct listener {
    channel_t channel; // HANDLE_INVALID: not listening
};

#define LISTENER_PEER struct listener
#include <listener.client.h>

static struct listener listener;

static void pause_listener(bool paused) {
    if (listener.channel.handle != HANDLE_INVALID && channel_pause(listener.channel, paused) != OK) {
        log_warn("the listener is gone");
    }
}

static void on_room(void) {
    if (connections_make_room()) {
        pause_listener(false);
    }
}

static void listener_on_accepted(struct listener *, const struct listener_accepted *event) {
    channel_t stream = channel_take(&event->stream);
    if (connection_serve(stream) != OK) {
        (void) handle_close(stream.handle); // refused: it was just given
    }
    if (!connections_make_room()) {
        pause_listener(true);
    }
}

static void listener_on_writable(struct listener *) {
    // Nothing is ever sent to it.
}

static void listener_on_closed(struct listener *self) {
    log_warn("the network is gone");
    self->channel.handle = HANDLE_INVALID;
}

// --- Start ---

static void on_open(void *, status_t status, const struct network_open_reply *reply) {
    if (status == OK) {
        listener.channel = channel_take(&reply->channel);
        status = listener_attach(listener.channel, &listener);
    }
    if (status != OK) {
        log_error("can't listen: %s", status_name(status));
        component_exit(1);
    }
    component_ready();
}

static status_t listen(void) {
    char uri[48];
    struct text text = {.start = uri, .size = sizeof(uri)};
    text_add_bytes(&text, BYTES("tcp-listen:0.0.0.0:"));
    text_add_u64(&text, config_u64("port", 80));
    TRY(network_attach_plain(need_network()));
    TRY(bodies_lend());
    struct network_open request = {.uri = text_bytes(&text)};
    return network_open_begin(need_network(), &request, on_open, nullptr);
}

static status_t start(void) {
    if (config_u64("port", 80) == 0 || config_u64("port", 80) > UINT16_MAX) {
        log_error("port must be 1 to 65535");
        return ERR_INVALID_ARGUMENT;
    }
    connections_on_room = on_room;
    TRY(connections_init());
    TRY(test_body_init());
    TRY(machine_state_init());
    return listen();
}

static void on_reconnect(const char *service) {
    status_t status = strcmp(service, "network") == 0 ? listen() : machine_state_init();
    if (status != OK) {
        log_error("%s: %s", service, status_name(status));
        component_exit(1);
    }
}

COMPONENT(http_server, .start = start, .ready_later = true, .channels = 128 + 4, .on_reconnect = on_reconnect);
