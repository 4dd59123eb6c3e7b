// Accepts connections.
#pragma once

#include "deadlines.h"
#include "events.h"

#include <netinet/in.h>

struct listener {
    struct source source;
    struct deadline pause;
    void (*on_connection)(int descriptor, const struct sockaddr_in *address); // takes it
};

bool listener_begin(struct listener *listener, int descriptor, void (*on_connection)(int, const struct sockaddr_in *));
void listener_accept_rest(struct listener *listener); // whom the kernel holds for us; closing would reset them
void listener_end(struct listener *listener);
