// tcpip: the TCP/IP stack. Opens sockets by URI, looks up names, tells its state.
//
// Nobody is trusted: not the clients, not the driver, and least of all what comes from the network.
#include <lwip/priv/tcp_priv.h>
#include <lwip/stats.h>

#include "link.h"
#include "network.server.h"
#include "resolve.h"
#include "resting_acks.h"
#include "stack.h"
#include "tcp_connect.h"
#include "tcp_listener.h"
#include "tcp_stream.h"
#include "transmit.h"
#include "udp_socket.h"
#include "uri.h"
#include <lending/lending.h>

// What a client has open is found by its address.
struct client {
    uint64_t unused;
};

enum { CLIENTS_MAX = 64, SOCKET_CHANNELS = STREAMS_MAX + 32 + 64 + 1, CALLS_MAX = 64 };

static status_t network_open(struct client *client, const struct network_open *request, struct network_open_reply *reply) {
    struct uri uri;
    TRY(uri_parse(request->uri, &uri));
    stack_enter();
    status_t status = ERR_INVALID_ARGUMENT;
    switch (uri.scheme) {
    case URI_TCP:
        status = tcp_connect_begin(client, &uri);
        break;
    case URI_TCP_LISTEN:
        status = tcp_listener_open(client, uri.address, uri.port, &reply->channel);
        break;
    case URI_UDP:
        status = udp_socket_open(client, uri.address, uri.port, &reply->channel);
        break;
    }
    stack_leave();
    return status;
}

static status_t network_lend(struct client *client, const struct network_lend *request, struct network_lend_reply *reply) {
    TRY(lending_begin(client, folio_take(&request->folio), request->offset, request->size, &reply->lent));
    link_lend(lending_find(client, reply->lent));
    return OK;
}

static status_t network_unlend(struct client *client, const struct network_unlend *request) {
    stack_enter();
    status_t status = lending_end(client, request->lent);
    resting_acks_release(); // one may be all that keeps it
    stack_leave();
    return status;
}

// --- resolve: the lookup has no memory of its own for the call, so the calls' tokens are kept here ---

struct resolve_call {
    network_resolve_token_t token;
    bool is_used;
};
static struct resolve_call resolve_calls[CALLS_MAX];

static void on_resolved(void *context, status_t status, uint32_t address) {
    struct resolve_call *call = context;
    const struct network_resolve_reply reply = {.address = address};
    network_resolve_complete(call->token, status, &reply);
    call->is_used = false;
}

static struct resolve_call *resolve_call_take(void) {
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (!resolve_calls[i].is_used) {
            resolve_calls[i].is_used = true;
            return &resolve_calls[i];
        }
    }
    return nullptr;
}

static status_t network_resolve(struct client *client, const struct network_resolve *request,
                                struct network_resolve_reply *reply) {
    if (address_parse(request->name, &reply->address) == OK) {
        return OK;
    }
    struct resolve_call *call = resolve_call_take();
    if (call == nullptr) {
        return ERR_LIMIT;
    }
    stack_enter();
    call->token = network_resolve_defer(client);
    status_t status = resolve_begin(request->name, on_resolved, call);
    call->is_used = status == OK && call->is_used;
    stack_leave();
    return status == OK ? PENDING : status;
}

// --- status ---

// lwIP counts as dropped what it finds wrong; ARP and ICMP have errors that it counts in place of that.
static uint64_t count_dropped(void) {
    const struct stats_ *stats = &lwip_stats;
    const struct stats_proto *const layers[] = {&stats->etharp, &stats->ip, &stats->icmp, &stats->udp, &stats->tcp};
    uint64_t dropped = link_counters.dropped + udp_dropped();
    for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
        dropped += (uint64_t) layers[i]->drop + layers[i]->memerr;
    }
    return dropped + stats->etharp.err + stats->icmp.err + stats->icmp.lenerr + stats->icmp.chkerr;
}

static uint32_t count_connections(void) {
    uint32_t count = 0;
    for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb != nullptr; pcb = pcb->next) {
        count++;
    }
    return count;
}

static status_t network_status(struct client *client, struct network_status_reply *reply) {
    (void) client;
    const struct stats_ *stats = &lwip_stats;
    reply->address = netif_ip4_addr(&stack_netif)->addr;
    reply->netmask = netif_ip4_netmask(&stack_netif)->addr;
    reply->gateway = netif_ip4_gw(&stack_netif)->addr;
    reply->dns = resolve_server();
    reply->frames_received = link_counters.received;
    reply->frames_sent = link_counters.sent;
    reply->frames_dropped = count_dropped();
    reply->checksum_errors = (uint64_t) stats->ip.chkerr + stats->icmp.chkerr + stats->udp.chkerr + stats->tcp.chkerr;
    reply->bytes_copied = transmit_copied;
    reply->connections = count_connections();
    return OK;
}

// --- Life ---

static void disconnected(struct client *client) {
    tcp_listeners_disown(client);
    udp_sockets_disown(client);
    stack_enter();
    tcp_streams_disown(client);
    lendings_disown(client);
    resting_acks_release();
    stack_leave();
}

// The only service that it needs is `ethernet`.
static void reconnected(const char *service) {
    (void) service;
    stack_reconnect();
}

COMPONENT(tcpip, .clients = CLIENTS_MAX, .channels = SOCKET_CHANNELS, .deferred = 2 * CALLS_MAX, .start = stack_start,
          .ready_later = true, .on_disconnect = disconnected, .on_reconnect = reconnected);
