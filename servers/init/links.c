// The channels between components: made when the client starts, made anew when either side was restarted.
//
// While a server is not running, its end is kept here: what the client sends meanwhile waits in the channel.
#include "instance.h"

#include <supervisor.h>

enum { LINK_CAPACITY = 8 << 10 };

static channel_t kept[SYSTEM_LINKS_MAX]; // server's ends, by link

static void keep(uint32_t link, channel_t end) {
    if (kept[link].handle != HANDLE_INVALID) {
        (void) handle_close(kept[link].handle);
    }
    kept[link] = end;
}

// Both of these own the channel. A component that leaves its queue full does not listen to its supervisor.
static status_t give_service(const struct instance *client, const struct system_link *link, channel_t channel) {
    struct supervisor_service event = {bytes_from_string(link->service), channel};
    status_t status = supervisor_service_send(client->bootstrap, &event);
    if (status != OK) {
        (void) handle_close(channel.handle);
    }
    return status;
}

static status_t give_client(const struct instance *server, const struct system_link *link, channel_t channel) {
    struct supervisor_connect event = {bytes_from_string(link->service), channel};
    status_t status = supervisor_connect_send(server->bootstrap, &event);
    if (status != OK) {
        (void) handle_close(channel.handle);
    }
    return status;
}

// Gives the server's end to whoever serves. It is not the starting component's fault if another one does not listen.
static void connect_server(uint32_t index, const struct system_link *link, channel_t end) {
    if (link->server == SYSTEM_SERVER_INIT) {
        if (inspect_connect(end, &inventory.instances[link->client]) != OK) {
            (void) handle_close(end.handle);
        }
        return;
    }
    struct instance *server = &inventory.instances[link->server];
    if (instance_is_running(server)) {
        if (give_client(server, link, end) != OK) {
            log_warn("%s: does not take its clients", server->wants->name);
            instance_kill(server);
        }
    } else if (instance_may_return(server)) {
        keep(index, end);
    } else {
        (void) handle_close(end.handle); // nobody will ever serve it
    }
}

static status_t connect_as_client(uint32_t index, const struct system_link *link) {
    uint64_t ends;
    TRY(channel_create(LINK_CAPACITY, &ends));
    connect_server(index, link, (channel_t) {(handle_t) ends});
    return give_service(&inventory.instances[link->client], link, (channel_t) {(handle_t) (ends >> 32)});
}

// A client that waited is connected at last; one that runs lost its server, and gets another channel.
static status_t connect_as_server(uint32_t index, const struct system_link *link) {
    struct instance *server = &inventory.instances[link->server], *client = &inventory.instances[link->client];
    if (kept[index].handle != HANDLE_INVALID) {
        channel_t end = kept[index];
        kept[index] = (channel_t) {HANDLE_INVALID};
        return give_client(server, link, end);
    }
    if (!instance_is_running(client)) {
        return OK; // its own start makes the channel
    }
    uint64_t ends;
    TRY(channel_create(LINK_CAPACITY, &ends));
    if (give_service(client, link, (channel_t) {(handle_t) (ends >> 32)}) != OK) {
        log_warn("%s: does not take its services", client->wants->name);
        instance_kill(client);
    }
    return give_client(server, link, (channel_t) {(handle_t) ends});
}

status_t links_connect(struct instance *instance) {
    for (uint32_t i = 0; i < inventory.system.link_count; i++) {
        const struct system_link *link = &inventory.system.links[i];
        if (system_link_fault(&inventory.system, link) != nullptr) {
            continue;
        }
        if (link->client == instance->index) {
            TRY(connect_as_client(i, link));
        } else if (link->server == instance->index) {
            TRY(connect_as_server(i, link));
        }
    }
    return OK;
}

// What is kept of an ended client is of no use; what is kept for a server that will not return is its clients' loss.
void links_disconnect(const struct instance *instance) {
    for (uint32_t i = 0; i < inventory.system.link_count; i++) {
        const struct system_link *link = &inventory.system.links[i];
        bool is_lost = link->server == instance->index && instance->state != COMPONENT_WAITING;
        if (link->client == instance->index || is_lost) {
            keep(i, (channel_t) {HANDLE_INVALID});
        }
    }
}
