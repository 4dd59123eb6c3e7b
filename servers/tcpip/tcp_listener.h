// Listening TCP sockets.
#pragma once

#include <starina/types.h>

struct tcp_listener;
struct tcp_stream;
struct client;

// Opens one for a client of `network`. ERR_BUSY, ERR_LIMIT, ERR_NO_MEMORY
status_t tcp_listener_open(struct client *owner, uint32_t address, uint16_t port, channel_t *out_client);

void tcp_listener_forget(struct tcp_listener *listener, struct tcp_stream *stream); // which is in its queue, and gone
void tcp_listeners_disown(const struct client *owner); // the client left; its listeners last as long as their channels
