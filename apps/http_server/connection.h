// A client's connection: requests in, responses out, one after the other.
#pragma once

#include "response.h"

status_t connections_init(void);

// Serves a stream, which is the connection's on success. ERR_LIMIT: all connections are in use.
status_t connection_serve(channel_t stream);

// If all connections are in use, ends the one that has been idle for longest. False: all are busy, but for the newest;
// connections_on_room is called when one ends or could be ended.
bool connections_make_room(void);
extern void (*connections_on_room)(void);
