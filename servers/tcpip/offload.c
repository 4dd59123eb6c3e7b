// What is done to a packet that lwIP sends, by the device or by us: checksums, and cutting TCP segments that are longer than
// a frame may be. What lwIP checks of a packet that is received.
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

enum : uint16_t { MSS_OF_ALL_HOSTS = 536 }; // RFC 9293 §3.7.1

enum : uint16_t {
    LEFT_OUT_WHEN_SENDING = NETIF_CHECKSUM_GEN_TCP, // cut.c knows the payload's place
    LEFT_TO_THE_DEVICE = NETIF_CHECKSUM_GEN_TCP | NETIF_CHECKSUM_GEN_UDP,
    LEFT_OUT_WHEN_RECEIVING = NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP,
};

void offload_begin(struct netif *netif, uint8_t offloads) {
    uint16_t left_out = (offloads & FRAME_CHECKSUM_NEEDED) != 0 ? LEFT_TO_THE_DEVICE : LEFT_OUT_WHEN_SENDING;
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

// What the data of a TCP segment has to be cut into. lwIP's hints are a part of the connection that sends; what has waited
// for an ARP answer has none any more.
static uint16_t cut_size(const struct netif *netif, const struct pbuf *packet) {
    if (netif->hints != nullptr) {
        return tcp_segment_cut((const void *) ((const uint8_t *) netif->hints - offsetof(struct tcp_pcb, netif_hints)));
    }
    return packet->tot_len > netif->mtu + SIZEOF_ETH_HDR ? MSS_OF_ALL_HOSTS : 0;
}

static void write_pseudo_sum(struct ip_hdr *ip, const struct sending *sending, const struct pbuf *packet) {
    uint16_t sum = pseudo_header_sum(ip, packet->tot_len - sending->offload.checksum_start);
    uint8_t *field = (uint8_t *) ip + IPH_HL_BYTES(ip) + sending->offload.checksum_offset;
    __builtin_memcpy(field, &sum, sizeof(sum));
}

static void prepare_udp(bool fills_in, struct ip_hdr *ip, const struct pbuf *packet, struct sending *sending) {
    sending->header_length = sending->offload.checksum_start + UDP_HLEN;
    if (fills_in) {
        sending->flags = FRAME_CHECKSUM_NEEDED;
        sending->offload.checksum_offset = offsetof(struct udp_hdr, chksum);
        write_pseudo_sum(ip, sending, packet);
    }
}

static void prepare_tcp(uint8_t offloads, const struct netif *netif, struct ip_hdr *ip, const struct pbuf *packet,
                        struct sending *sending) {
    const struct tcp_hdr *tcp = (const struct tcp_hdr *) (const void *) ((const uint8_t *) ip + IPH_HL_BYTES(ip));
    sending->header_length = sending->offload.checksum_start + TCPH_HDRLEN_BYTES(tcp);
    sending->offload.checksum_offset = offsetof(struct tcp_hdr, chksum);
    uint16_t payload = packet->tot_len - sending->header_length, size = cut_size(netif, packet);
    bool is_long = size != 0 && payload > size;
    sending->flags = (is_long ? FRAME_CHECKSUM_NEEDED | FRAME_SEGMENTS_NEEDED : FRAME_CHECKSUM_NEEDED) & offloads;
    sending->is_cut_here = sending->flags == 0 || (is_long && (sending->flags & FRAME_SEGMENTS_NEEDED) == 0);
    if (is_long || sending->is_cut_here) {
        sending->offload.header_length = sending->header_length;
        sending->offload.segment_size = is_long ? size : payload;
    }
    if (!sending->is_cut_here) {
        write_pseudo_sum(ip, sending, packet);
    }
}

void offload_prepare(uint8_t offloads, const struct netif *netif, struct pbuf *packet, struct sending *out_sending) {
    struct ip_hdr *ip = checksummed_header(packet);
    *out_sending = (struct sending) {.header_length = packet->len};
    if (ip == nullptr) {
        return;
    }
    out_sending->offload.checksum_start = SIZEOF_ETH_HDR + IPH_HL_BYTES(ip);
    if (IPH_PROTO(ip) == IP_PROTO_TCP) {
        prepare_tcp(offloads, netif, ip, packet, out_sending);
    } else {
        prepare_udp((offloads & FRAME_CHECKSUM_NEEDED) != 0, ip, packet, out_sending);
    }
}
