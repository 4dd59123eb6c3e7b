// What is in the floor's frames: virtio's header, Ethernet, ARP, IPv4, TCP.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum : uint16_t { ETHERNET_IP = 0x800, ETHERNET_ARP = 0x806, ARP_REQUEST = 1, ARP_REPLY = 2, IP_DO_NOT_FRAGMENT = 0x4000 };
enum : uint8_t { IP_TCP = 6, TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PUSH = 8, TCP_ACK = 16 };
enum : uint8_t { VIRTIO_NEEDS_CHECKSUM = 1, VIRTIO_TCP4 = 1 };
enum : uint32_t { TCP_OPTION_MSS = 0x02040000 };

struct [[gnu::packed]] virtio_header { // virtio 1.2 §5.1.6, legacy: without the count of buffers
    uint8_t flags;
    uint8_t segmentation;
    uint16_t header_size;
    uint16_t segment_size;
    uint16_t checksum_start;
    uint16_t checksum_offset;
};

struct [[gnu::packed]] ethernet {
    uint8_t to[6];
    uint8_t from[6];
    uint16_t type;
};

struct [[gnu::packed]] arp {
    uint8_t kinds[6];
    uint16_t operation;
    uint8_t from_mac[6];
    uint8_t from_ip[4];
    uint8_t to_mac[6];
    uint8_t to_ip[4];
};

struct [[gnu::packed]] ip {
    uint8_t version; // and the header's size in words
    uint8_t service;
    uint16_t size;
    uint16_t id;
    uint16_t fragment;
    uint8_t hops;
    uint8_t protocol;
    uint16_t checksum;
    uint32_t from;
    uint32_t to;
};

struct [[gnu::packed]] tcp {
    uint16_t from;
    uint16_t to;
    uint32_t sequence;
    uint32_t acknowledged;
    uint8_t offset; // the header's size in words, times 16
    uint8_t flags;
    uint16_t window;
    uint16_t checksum;
    uint16_t urgent;
};

struct [[gnu::packed]] frame {
    struct virtio_header virtio;
    struct ethernet ethernet;
    union {
        struct arp arp;
        struct {
            struct ip ip; // without options: QEMU's network and Linux send none
            struct tcp tcp;
        };
    };
};

struct [[gnu::packed]] headers {
    struct virtio_header virtio;
    struct ethernet ethernet;
    struct ip ip;
    struct tcp tcp;
    uint32_t option;
};

static inline uint16_t big16(uint32_t value) {
    return __builtin_bswap16((uint16_t) value);
}

static inline uint32_t big32(uint32_t value) {
    return __builtin_bswap32(value);
}

// The Internet checksum's sum (RFC 1071): of 16-bit words as they lie in memory; fold() makes 16 bits of it.
static inline uint32_t sum(const void *data, uint32_t size, uint32_t sum) {
    const uint8_t *bytes = data;
    for (; size > 1; size -= 2, bytes += 2) {
        sum += bytes[0] | (uint32_t) bytes[1] << 8;
    }
    return size ? sum + bytes[0] : sum;
}

static inline uint16_t fold(uint32_t sum) {
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t) sum;
}
