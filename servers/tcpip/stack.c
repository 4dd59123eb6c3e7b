// The one lwIP instance: starts it and gives it its addresses.
#include <lwip/dhcp.h>
#include <lwip/dns.h>
#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/priv/tcp_priv.h>

#include "clocks.h"
#include "heap.h"
#include "link.h"
#include "resolve.h"
#include "stack.h"
#include "uri.h"

#include <starina/component.h>

struct netif stack_netif;

void stack_enter(void) {
    clocks_begin();
}

// Connections that both sides have closed are remembered for a while (RFC 9293, TIME-WAIT), but not at the price of those
// that are open, whose data comes from the same objects: then the older half is forgotten.
static void forget_closed(void) {
    enum : uint32_t { ROOM_FOR_DATA = 512 };
    if (heap_room(sizeof(struct tcp_pcb)) >= ROOM_FOR_DATA) {
        return;
    }
    size_t count = 0, index = 0;
    for (const struct tcp_pcb *pcb = tcp_tw_pcbs; pcb != nullptr; pcb = pcb->next) {
        count++;
    }
    for (struct tcp_pcb *pcb = tcp_tw_pcbs, *next; pcb != nullptr; pcb = next) { // the newest come first
        next = pcb->next;
        if (index++ >= count / 2) {
            tcp_abandon(pcb, 0);
        }
    }
}

void stack_leave(void) {
    forget_closed();
    clocks_end();
    link_flush();
}

status_t stack_status(err_t error) {
    switch (error) {
    case ERR_OK:
        return OK;
    case ERR_MEM:
    case ERR_BUF:
        return ERR_LIMIT;
    case ERR_RTE:
    case ERR_IF:
        return ERR_UNREACHABLE;
    case ERR_USE:
    case ERR_ISCONN:
        return ERR_BUSY;
    case ERR_RST:
        return ERR_REFUSED;
    case ERR_ABRT:
    case ERR_TIMEOUT:
        return ERR_TIMED_OUT;
    default:
        return ERR_INVALID_ARGUMENT;
    }
}

// Asks for the gateway's Ethernet address right away, so that the first answer need not wait for it.
static void set_addresses(uint32_t address, uint32_t netmask, uint32_t gateway) {
    const ip4_addr_t ip = {address}, mask = {netmask}, router = {gateway};
    netif_set_addr(&stack_netif, &ip, &mask, &router);
    netif_set_up(&stack_netif);
    if (gateway != 0) {
        (void) etharp_query(&stack_netif, &router, nullptr);
    }
}

static status_t configure_static(bytes_t text) {
    uint32_t address, netmask, gateway = 0;
    bytes_t gateway_text = config_bytes("gateway", BYTES(""));
    TRY(network_parse(text, &address, &netmask));
    if (gateway_text.len != 0) {
        TRY(address_parse(gateway_text, &gateway));
    }
    set_addresses(address, netmask, gateway);
    return OK;
}

static status_t configure_dhcp(void) {
    netif_set_up(&stack_netif);
    return stack_status(dhcp_start(&stack_netif));
}

// --- Ready when it has an address: only then can anybody reach what listens ---

enum : nsec_t { ADDRESS_WAIT = 3 * NSEC_PER_SEC };
static struct timer address_wait;

static void on_no_address(void *) {
    log_warn("no address from DHCP yet; going on without");
    component_ready();
}

static void on_address(struct netif *netif) {
    char address[IP4ADDR_STRLEN_MAX], gateway[IP4ADDR_STRLEN_MAX];
    if (netif_ip4_addr(netif)->addr == 0 || !netif_is_up(netif)) {
        return;
    }
    unsigned prefix = (unsigned) __builtin_popcount(netif_ip4_netmask(netif)->addr);
    log_info("address %s/%u, gateway %s", ip4addr_ntoa_r(netif_ip4_addr(netif), address, sizeof(address)), prefix,
             ip4addr_ntoa_r(netif_ip4_gw(netif), gateway, sizeof(gateway)));
    timer_stop(&address_wait);
    component_ready();
}

static status_t configure(void) {
    bytes_t address = config_bytes("address", BYTES("")), dns = config_bytes("dns", BYTES(""));
    if (dns.len != 0) {
        TRY(resolve_set_server(dns));
    }
    if (config_u64("dhcp", 0) != 0) {
        timer_start(&address_wait, ADDRESS_WAIT, on_no_address, nullptr);
        return configure_dhcp();
    }
    if (address.len != 0) {
        return configure_static(address);
    }
    component_ready(); // it is to have no address
    return OK;
}

status_t stack_start(void) {
    lwip_init();
    TRY(link_open(&stack_netif));
    netif_set_default(&stack_netif);
    netif_set_status_callback(&stack_netif, on_address);
    netif_set_hostname(&stack_netif, "starina");
    status_t status = configure();
    if (status != OK) {
        log_error("bad address, gateway or dns in the configuration: %s", status_name(status));
    }
    stack_leave();
    return status;
}

// --- The link comes back when the driver serves again, or init has started another one ---

enum : nsec_t { LINK_RETRY = NSEC_PER_SEC };
enum { LINK_RETRIES_MAX = 15 }; // longer than init ever waits before it starts a driver again
static struct timer link_retry;
static unsigned link_retries;

static void on_link_retry(void *) {
    stack_reconnect();
}

void stack_link_lost(void) {
    timer_start(&link_retry, LINK_RETRY, on_link_retry, nullptr);
}

static void retry_link(status_t status) {
    log_warn("the link can't be opened: %s", status_name(status));
    if (++link_retries >= LINK_RETRIES_MAX) {
        log_error("no link any more: only a start of its own brings another channel to a driver");
        component_exit(1);
    }
    stack_link_lost();
}

void stack_reconnect(void) {
    stack_enter();
    status_t status = link_open(&stack_netif);
    stack_leave();
    if (status != OK) {
        retry_link(status);
        return;
    }
    log_info("the link is there again");
    link_retries = 0;
    timer_stop(&link_retry);
}
