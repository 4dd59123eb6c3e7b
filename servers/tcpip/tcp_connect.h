// TCP connections that clients ask for.
#pragma once

#include "network.h"

struct tcp_stream;
struct uri;

// The call is answered when it is connected, or can't be.
void tcp_connect_begin(network_open_token_t call, const struct uri *uri);

// The stream's connection is no more. Harmless when no call waits for it.
void tcp_connect_failed(struct tcp_stream *stream, status_t status);
