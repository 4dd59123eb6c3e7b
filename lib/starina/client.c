// Clients of the interface that the component provides: each has a state from a bounded pool.
//
// At the limit a further one is refused, so that those who are served stay served.
#include "internal.h"

static void client_start(struct connection *connection) {
    status_t status = component.on_connect != nullptr ? component.on_connect(connection->context) : OK;
    if (status == OK) {
        connection->is_connected = true;
        status = connection_watch(connection);
    }
    if (status != OK) {
        connection_release(connection, ERR_CANCELLED);
    }
}

void client_connected(bytes_t service, channel_t channel) {
    const struct protocol *provides = component.provides;
    if (provides == nullptr || !bytes_equal(service, bytes_from_string(provides->name))) {
        log_error("asked for %.*s, which it does not provide", (int) service.len, (const char *) service.ptr);
        (void) handle_close(channel.handle);
        return;
    }
    struct connection as = {.channel = channel, .protocol = provides};
    struct connection *connection = connection_create(&pools.client_slots, &as);
    if (connection == nullptr) {
        component_counters.refused_clients++;
        (void) handle_close(channel.handle);
    } else if (is_started) {
        client_start(connection);
    }
}

void client_disconnected(struct connection *connection) {
    if (connection->is_connected && component.on_disconnect != nullptr) {
        component.on_disconnect(connection->context);
    }
}

void clients_start(void) {
    for (size_t i = 0; i < pools.client_slots.fresh; i++) {
        struct connection *connection = &pools.connections[i];
        if (connection->is_used && !connection->is_connected) {
            client_start(connection);
        }
    }
}
