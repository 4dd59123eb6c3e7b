// Bound UDP sockets.
#pragma once

#include <starina/types.h>

struct client;

// Opens one for a client of `network`; port 0 picks one. ERR_BUSY, ERR_LIMIT, ERR_NO_MEMORY
status_t udp_socket_open(const struct client *owner, uint32_t address, uint16_t port, channel_t *out_client);

void udp_sockets_disown(const struct client *owner); // the client left; its sockets last as long as their channels
uint64_t udp_dropped(void);
