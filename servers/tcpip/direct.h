// Segments of open connections, which nearly all frames are, go straight to lwIP's TCP.
#pragma once

#include <starina/types.h>

struct netif;
struct pbuf;
struct tcp_stream;

// Takes an Ethernet frame if nothing but TCP has to look at it. False: it is left as it is, for lwIP to find out why
bool direct_input(struct netif *netif, struct pbuf *packet);

// The stream that this segment without IP options is for, if its connection is open. nullptr: none, or it is not known
struct tcp_stream *direct_stream(const uint8_t *frame);

// Called once lwIP has found the connection: its list is whole again.
void direct_found(void);
