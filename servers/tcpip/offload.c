// What the device is left to do to a packet that lwIP sends: checksums, and cutting TCP segments that are longer than a
// frame may be. What lwIP checks of a packet that is received.
#include <lwip/inet_chksum.h>
#include <lwip/netif.h>
#include <lwip/prot/ethernet.h>
#include <lwip/prot/ip.h>
#include <lwip/prot/ip4.h>
#include <lwip/prot/tcp.h>
#include <lwip/prot/udp.h>
#include <lwip/tcp.h>

#include "offload.h"
#include "tcp_segment.h"

enum : uint16_t {
    LEFT_OUT_WHEN_SENDING = NETIF_CHECKSUM_GEN_TCP | NETIF_CHECKSUM_GEN_UDP,
    LEFT_OUT_WHEN_RECEIVING = NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP,
};

void offload_begin(struct netif *netif, uint8_t offloads) {
    uint16_t left_out = (offloads & FRAME_CHECKSUM_NEEDED) != 0 ? LEFT_OUT_WHEN_SENDING : 0;
    NETIF_SET_CHECKSUM_CTRL(netif, NETIF_CHECKSUM_ENABLE_ALL & ~left_out);
}

void offload_trust(struct netif *netif, bool is_correct) {
    uint16_t others = netif->chksum_flags & ~LEFT_OUT_WHEN_RECEIVING;
    NETIF_SET_CHECKSUM_CTRL(netif, others | (is_correct ? 0 : LEFT_OUT_WHEN_RECEIVING));
}

// lwIP has all headers in the first part. nullptr: the packet has no checksum that the device could fill in.
static struct ip_hdr *checksummed_header(const struct pbuf *packet) {
    const struct eth_hdr *ethernet = packet->payload;
    if (packet->len < SIZEOF_ETH_HDR + IP_HLEN || ethernet->type != PP_HTONS(ETHTYPE_IP)) {
        return nullptr;
    }
    struct ip_hdr *ip = (struct ip_hdr *) (void *) ((uint8_t *) packet->payload + SIZEOF_ETH_HDR);
    return IPH_PROTO(ip) == IP_PROTO_TCP || IPH_PROTO(ip) == IP_PROTO_UDP ? ip : nullptr;
}

static uint16_t pseudo_header_sum(const struct ip_hdr *ip, uint16_t size) {
    const ip_addr_t source = {ip->src.addr}, destination = {ip->dest.addr};
    return (uint16_t) ~ip_chksum_pseudo(nullptr, IPH_PROTO(ip), size, &source, &destination);
}

// What the device has to cut the data of a TCP segment into. lwIP's hints are a part of the connection that sends.
static uint16_t cut_size(const struct netif *netif) {
    if (netif->hints == nullptr) {
        return 0;
    }
    const void *pcb = (const uint8_t *) netif->hints - offsetof(struct tcp_pcb, netif_hints);
    return tcp_segment_cut(pcb);
}

uint8_t offload_prepare(uint8_t offloads, const struct netif *netif, struct pbuf *packet, struct frame_offload *out_offload) {
    struct ip_hdr *ip = (offloads & FRAME_CHECKSUM_NEEDED) != 0 ? checksummed_header(packet) : nullptr;
    if (ip == nullptr) {
        return 0;
    }
    bool is_tcp = IPH_PROTO(ip) == IP_PROTO_TCP;
    uint8_t *header = (uint8_t *) ip + IPH_HL_BYTES(ip);
    uint16_t start = SIZEOF_ETH_HDR + IPH_HL_BYTES(ip);
    uint16_t field = is_tcp ? offsetof(struct tcp_hdr, chksum) : offsetof(struct udp_hdr, chksum);
    uint16_t sum = pseudo_header_sum(ip, packet->tot_len - start);
    __builtin_memcpy(header + field, &sum, sizeof(sum));
    *out_offload = (struct frame_offload) {.checksum_start = start, .checksum_offset = field};
    uint16_t size = is_tcp && (offloads & FRAME_SEGMENTS_NEEDED) != 0 ? cut_size(netif) : 0;
    if (size == 0) {
        return FRAME_CHECKSUM_NEEDED;
    }
    uint16_t header_length = start + TCPH_HDRLEN_BYTES((const struct tcp_hdr *) (const void *) header);
    if (packet->tot_len <= header_length + size) {
        return FRAME_CHECKSUM_NEEDED;
    }
    out_offload->header_length = header_length;
    out_offload->segment_size = size;
    return FRAME_CHECKSUM_NEEDED | FRAME_SEGMENTS_NEEDED;
}
