// expect: function 'probe_on_changed' has internal linkage but is not defined
struct server {
    int changes;
};
#define PROBE_PEER struct server
#include <probe.client.h>

static void probe_on_closed(struct server *server) {
    server->changes = 0;
}

static void probe_on_writable(struct server *server) {
    server->changes = 0;
}

static struct server server;

static status_t start(void) {
    return probe_attach(service_channel("probe"), &server);
}

COMPONENT(missing_event_handler, .start = start);
