// Where the headers of an Ethernet frame with a TCP segment lie if IP has no options.
#pragma once

#include <lwip/prot/ethernet.h>
#include <lwip/prot/ip4.h>
#include <lwip/prot/tcp.h>

#include <starina/types.h>

enum : size_t { IP_AT = SIZEOF_ETH_HDR, TCP_AT = IP_AT + IP_HLEN };
enum : uint8_t { VERSION_4_NO_OPTIONS = 0x45 };

static inline const struct eth_hdr *ethernet_of(const uint8_t *frame) {
    return (const struct eth_hdr *) (const void *) frame;
}

static inline const struct ip_hdr *ip_of(const uint8_t *frame) {
    return (const struct ip_hdr *) (const void *) (frame + IP_AT);
}

static inline const struct tcp_hdr *tcp_of(const uint8_t *frame) {
    return (const struct tcp_hdr *) (const void *) (frame + TCP_AT);
}
