// Segments of open connections, which nearly all frames are, go straight to lwIP's TCP.
#pragma once

struct netif;
struct pbuf;

// Takes an Ethernet frame if nothing but TCP has to look at it. False: it is left as it is, for lwIP to find out why
bool direct_input(struct netif *netif, struct pbuf *packet);

// Called once lwIP has found the connection: its list is whole again.
void direct_found(void);
