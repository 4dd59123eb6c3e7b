// Answers Prometheus.
#pragma once

#include "listener.h"

enum { METRICS_CLIENTS_MAX = 8 };

void metrics_server_take(int descriptor, const struct sockaddr_in *address); // takes the connection
void metrics_server_end(void);                                               // closes all
