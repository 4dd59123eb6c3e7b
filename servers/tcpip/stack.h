// The one lwIP instance: its interface, its addresses, and the two calls that every entry into it lies between.
#pragma once

#include <lwip/netif.h>

#include <starina/types.h>

extern struct netif stack_netif;

status_t stack_start(void); // with the addresses of the component's configuration
void stack_reconnect(void); // the Ethernet driver was restarted
void stack_link_lost(void); // it has gone, or can't be worked with any longer

// Around every use of lwIP: time goes on before, frames go out after.
void stack_enter(void);
void stack_leave(void);

// lwIP's answer to something it was asked to do, as a status.
status_t stack_status(err_t error);
