// Listening sockets: our own, or systemd's.
#pragma once

#include <netinet/in.h>

enum { SOCKET_ABSENT = -1, SOCKET_COMPLAINT_MAX = 200 };

// A listening IPv4 TCP socket that systemd passed on under this name, or SOCKET_ABSENT. sd_listen_fds(3)
int socket_inherited(const char *name);
bool socket_is_usable(int descriptor);                // it is what socket_inherited() should find
int socket_adopt(int descriptor);                     // the number of an inherited one from now on; -1: errno says why
int socket_listen(const struct sockaddr_in *address); // -1: errno says why
void socket_forget_inheritance(void);                 // VMs must not believe that they inherited something
