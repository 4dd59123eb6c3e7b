// The Ethernet device as lwIP's network interface.
#pragma once

#include <lending/lending.h>

struct netif;

struct link_counters {
    uint64_t received;
    uint64_t sent;
    uint64_t dropped; // no buffer, or not understood
};
extern struct link_counters link_counters;

status_t link_open(struct netif *netif); // gets the shared memory from the driver; again after it was lost
void link_lend(struct lent *lent);       // to the driver, if a device may read it
void link_flush(void);                   // shows the driver what was sent and given back
