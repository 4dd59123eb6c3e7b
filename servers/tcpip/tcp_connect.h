// TCP connections that clients ask for.
#pragma once

#include "network.h"

struct client;
struct tcp_stream;
struct uri;

// To be called by the handler of `open`. PENDING: the call is answered when it is connected, or can't be. ERR_LIMIT
status_t tcp_connect_begin(const struct client *owner, const struct uri *uri);

// Nobody waits for it any more. Harmless when it is connected.
void tcp_connect_cancel(struct tcp_stream *stream);

// The stream's connection is no more. Harmless when no call waits for it.
void tcp_connect_failed(struct tcp_stream *stream, status_t status);
