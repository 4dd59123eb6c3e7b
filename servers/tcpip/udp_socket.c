// Bound UDP sockets: each datagram is one message. What finds a queue full is dropped and counted.
#include <lwip/udp.h>

#include "stack.h"
#include "udp_socket.h"

#define DATAGRAM_CLIENT struct udp_socket
#include "datagram.server.h"

enum { SOCKETS_MAX = 64, SOCKETS_PER_CLIENT = 16 };
enum : uint32_t { CHANNEL_CAPACITY = 8192 };

struct udp_socket {
    struct udp_pcb *pcb; // nullptr: free
    channel_t channel;
    const struct client *owner;
};

static struct udp_socket sockets[SOCKETS_MAX];
static uint64_t dropped;

uint64_t udp_dropped(void) {
    return dropped;
}

// The frame lies in one piece: fragments are not taken.
static void on_received(void *argument, struct udp_pcb *pcb, struct pbuf *packet, const ip_addr_t *address, uint16_t port) {
    (void) pcb;
    struct udp_socket *socket = argument;
    const struct datagram_received event = {.address = address->addr, .port = port, .data = {packet->payload, packet->len}};
    if (packet->next != nullptr || datagram_received_send(socket->channel, &event) != OK) {
        dropped++;
    }
    pbuf_free(packet);
}

static status_t datagram_send_to(struct udp_socket *socket, const struct datagram_send_to *request) {
    const ip_addr_t remote = {request->address};
    stack_enter();
    struct pbuf *packet = pbuf_alloc(PBUF_TRANSPORT, (uint16_t) request->data.len, PBUF_RAM);
    err_t error = ERR_MEM;
    if (packet != nullptr) {
        (void) pbuf_take(packet, request->data.ptr, (uint16_t) request->data.len); // it was made for it
        error = udp_sendto(socket->pcb, packet, &remote, request->port);
        pbuf_free(packet);
    }
    dropped += error != ERR_OK;
    stack_leave();
    return OK;
}

static void on_channel_closed(struct udp_socket *socket) {
    udp_remove(socket->pcb);
    *socket = (struct udp_socket) {};
}

static status_t find_free(const struct client *owner, struct udp_socket **out_socket) {
    unsigned owned = 0;
    *out_socket = nullptr;
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        owned += sockets[i].owner == owner;
        if (sockets[i].pcb == nullptr) {
            *out_socket = &sockets[i];
        }
    }
    return *out_socket != nullptr && owned < SOCKETS_PER_CLIENT ? OK : ERR_LIMIT;
}

static status_t bind(struct udp_socket *socket, uint32_t address, uint16_t port) {
    const ip_addr_t local = {address};
    socket->pcb = udp_new();
    if (socket->pcb == nullptr) {
        return ERR_LIMIT;
    }
    err_t error = udp_bind(socket->pcb, &local, port);
    if (error != ERR_OK) {
        udp_remove(socket->pcb);
        socket->pcb = nullptr;
        return stack_status(error);
    }
    udp_recv(socket->pcb, on_received, socket);
    return OK;
}

static status_t open_channel(struct udp_socket *socket, channel_t *out_client) {
    uint64_t ends;
    TRY(channel_create(CHANNEL_CAPACITY, &ends));
    channel_t ours = {(handle_t) ends}, theirs = {(handle_t) (ends >> 32)};
    status_t status = datagram_serve(ours, socket, on_channel_closed, nullptr);
    if (status != OK) {
        (void) handle_close(ours.handle);
        (void) handle_close(theirs.handle);
        return status;
    }
    socket->channel = ours;
    *out_client = theirs;
    return OK;
}

status_t udp_socket_open(const struct client *owner, uint32_t address, uint16_t port, channel_t *out_client) {
    struct udp_socket *socket;
    TRY(find_free(owner, &socket));
    TRY(bind(socket, address, port));
    status_t status = open_channel(socket, out_client);
    if (status != OK) {
        on_channel_closed(socket);
        return status;
    }
    socket->owner = owner;
    return OK;
}

void udp_sockets_disown(const struct client *owner) {
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        if (sockets[i].owner == owner) {
            sockets[i].owner = nullptr;
        }
    }
}
