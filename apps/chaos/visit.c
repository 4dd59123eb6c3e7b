// Behaves for once: looks a host up, says a word to its servers over TCP and UDP, and tells what they answer.
#include "chaos.h"

#include <datagram.h>
#include <needs.h>
#include <network.client.h>
#include <stream.h>

enum : nsec_t { PATIENCE = 5 * NSEC_PER_SEC };

static const bytes_t word = BYTES("hello from a guest");

// An act has no main loop: it waits by itself.
static status_t receive(channel_t channel, struct message *out_message) {
    poll_t poll;
    TRY(poll_create(&poll));
    status_t status = poll_add(poll, channel.handle, 0);
    nsec_t deadline = clock_ns() + PATIENCE;
    do {
        status = status == OK ? poll_wait(poll, deadline) : status;
    } while (status == OK && thread_buffer->event.kind == EVENT_WRITABLE);
    if (status == OK) {
        status = thread_buffer->event.kind == EVENT_MESSAGE ? OK : ERR_CLOSED;
        *out_message = thread_buffer->in;
    }
    (void) handle_close(poll.handle);
    return status;
}

static status_t open(const char *uri, channel_t *out_channel) {
    struct network_open request = {.uri = bytes_from_string(uri)};
    struct network_open_reply reply;
    TRY(network_open_call(need_network(), &request, &reply, PATIENCE));
    *out_channel = reply.channel;
    return OK;
}

static status_t visit_tcp(bytes_t host, unsigned port) {
    char uri[128];
    channel_t stream;
    struct message message;
    struct stream_data answer;
    snprintf(uri, sizeof(uri), "tcp:%.*s:%u", (int) host.len, (const char *) host.ptr, port);
    TRY(open(uri, &stream));
    TRY(stream_write_send(stream, &(struct stream_write) {.data = word}));
    TRY(stream_finish_send(stream));
    TRY(receive(stream, &message));
    TRY(stream_data_decode(&message, &answer));
    log_info("visit: tcp says %.*s", (int) answer.data.len, (const char *) answer.data.ptr);
    TRY(receive(stream, &message));
    return stream_finished_decode(&message);
}

static status_t visit_udp(uint32_t address, unsigned port) {
    channel_t socket;
    struct message message;
    struct datagram_received answer;
    struct datagram_send_to request = {.address = address, .port = (uint16_t) port, .data = word};
    TRY(open("udp:0.0.0.0:0", &socket));
    TRY(datagram_send_to_send(socket, &request));
    TRY(receive(socket, &message));
    TRY(datagram_received_decode(&message, &answer));
    log_info("visit: udp says %.*s", (int) answer.data.len, (const char *) answer.data.ptr);
    return answer.address == address && answer.port == port ? OK : ERR_MALFORMED;
}

int act_visit(void) {
    bytes_t host = config_bytes("host", BYTES("10.0.2.2"));
    unsigned port = (unsigned) config_u64("port", 0);
    struct network_resolve question = {.name = host};
    struct network_resolve_reply found = {};
    status_t resolved = network_resolve_call(need_network(), &question, &found, PATIENCE);
    log_info("visit: found %08x: %s", (unsigned) __builtin_bswap32(found.address), status_name(resolved));
    status_t tcp = visit_tcp(host, port);
    status_t udp = resolved == OK ? visit_udp(found.address, port) : resolved;
    log_info("visit: tcp %s, udp %s", status_name(tcp), status_name(udp));
    return resolved == OK && tcp == OK && udp == OK ? 0 : 1;
}
