// The component's side of its supervisor: takes what the manifest lists, starts, reports ready.
//
// The supervisor is trusted with what it hands out. Its end ends the component.
#include "internal.h"

struct supervisor_peer {
    channel_t channel;
};
#define SUPERVISOR_PEER struct supervisor_peer
#include <supervisor.client.h>

enum { SERVICES_MAX = 8 };

struct service {
    char name[NAME_MAX_LENGTH + 1];
    channel_t channel;
};

static struct supervisor_peer supervisor;
static struct service services[SERVICES_MAX];
static size_t service_count;
static char name[NAME_MAX_LENGTH + 1];
static bool is_ready;

status_t supervisor_connect(void) {
    supervisor.channel = (channel_t) {HANDLE_BOOTSTRAP};
    return supervisor_attach(supervisor.channel, &supervisor);
}

const char *component_name(void) {
    return name;
}

void component_ready(void) {
    if (is_ready) {
        return;
    }
    status_t status = supervisor_ready_send(supervisor.channel);
    if (status == OK) {
        is_ready = true;
    } else if (status != ERR_FULL) { // then on_writable tries again
        log_error("can't tell that it is ready: %s", status_name(status));
    }
}

// --- Services ---

static struct service *service_find(bytes_t wanted) {
    for (size_t i = 0; i < service_count; i++) {
        if (bytes_equal(wanted, bytes_from_string(services[i].name))) {
            return &services[i];
        }
    }
    return nullptr;
}

channel_t service_channel(const char *wanted) {
    const struct service *service = service_find(bytes_from_string(wanted));
    return service != nullptr ? service->channel : (channel_t) {HANDLE_INVALID};
}

void service_forget(channel_t channel) {
    for (size_t i = 0; i < service_count; i++) {
        if (services[i].channel.handle == channel.handle) {
            services[i].channel = (channel_t) {HANDLE_INVALID};
        }
    }
}

static void service_add(bytes_t service_name, channel_t channel) {
    struct service *service = &services[service_count];
    if (service_count == SERVICES_MAX || bytes_to_string(service->name, sizeof(service->name), service_name) != OK) {
        log_error("more than %d services", SERVICES_MAX);
        (void) handle_close(channel.handle);
        return;
    }
    service->channel = channel;
    service_count++;
}

static void service_replace(struct service *service, channel_t channel) {
    channel_t old = service->channel;
    service->channel = channel;
    struct connection *connection = connection_find(old);
    if (connection != nullptr) {
        connection_end(connection);
    } else if (old.handle != HANDLE_INVALID) {
        (void) handle_close(old.handle);
    }
    if (is_started && component.on_reconnect != nullptr) {
        component.on_reconnect(service->name);
    }
}

// --- Events ---

static void supervisor_on_connect(struct supervisor_peer *peer, const struct supervisor_connect *event) {
    (void) peer;
    client_connected(event->service, channel_take(&event->channel));
}

static void supervisor_on_service(struct supervisor_peer *peer, const struct supervisor_service *event) {
    (void) peer;
    struct service *service = service_find(event->service);
    channel_t channel = channel_take(&event->channel);
    if (service != nullptr) {
        service_replace(service, channel);
    } else {
        service_add(event->service, channel);
    }
}

static void supervisor_on_archive(struct supervisor_peer *peer, const struct supervisor_archive *event) {
    (void) peer;
    archive_set(folio_take(&event->folio));
}

static void supervisor_on_device(struct supervisor_peer *peer, const struct supervisor_device *event) {
    (void) peer;
    device_set(event);
}

static void supervisor_on_device_memory(struct supervisor_peer *peer, const struct supervisor_device_memory *event) {
    (void) peer;
    device_set_memory(event);
}

static void supervisor_on_device_interrupt(struct supervisor_peer *peer, const struct supervisor_device_interrupt *event) {
    (void) peer;
    device_set_interrupt(event);
}

static void supervisor_on_start(struct supervisor_peer *peer, const struct supervisor_start *event) {
    (void) peer;
    status_t status = bytes_to_string(name, sizeof(name), event->name);
    config_set(event->config);
    if (status == OK && component.start != nullptr) {
        status = component.start();
    }
    if (status != OK) {
        log_error("start failed: %s", status_name(status));
        component_exit(1);
    }
    is_started = true;
    clients_start();
    if (!component.ready_later) {
        component_ready();
    }
}

static void supervisor_on_closed(struct supervisor_peer *peer) {
    (void) peer;
    component_exit(0);
}

static void supervisor_on_writable(struct supervisor_peer *peer) {
    (void) peer;
    component_ready();
}
