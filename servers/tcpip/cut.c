// Cuts a TCP segment over IPv4 as a device does that is asked to (FRAME_SEGMENTS_NEEDED): lwIP's work is done once for many
// frames. Each gets the headers, with a length, number, sequence number and checksums of its own.
#include <lwip/pbuf.h>
#include <lwip/prot/ethernet.h>
#include <lwip/prot/ip.h>
#include <lwip/prot/ip4.h>
#include <lwip/prot/tcp.h>

#include "checksum.h"
#include "cut.h"
#include "transmit.h"

enum { PIECE_PARTS_MAX = 4, HEADERS_MAX = SIZEOF_ETH_HDR + 60 + 60 };

struct cutting {
    struct packet_cursor at; // what comes next
    size_t left;             // bytes of payload
    size_t header_length, ip_length;
    uint32_t sequence; // of the next byte
    uint16_t id;       // of the next packet
    uint8_t flags;     // of frames
    struct frame_offload offload;
    uint64_t ip_sum, tcp_sum, pseudo_sum; // without what differs
    alignas(8) uint8_t headers[HEADERS_MAX];
};

static struct ip_hdr *ip_of(uint8_t *headers) {
    return (struct ip_hdr *) (void *) (headers + SIZEOF_ETH_HDR);
}

static struct tcp_hdr *tcp_of(const struct cutting *cutting, uint8_t *headers) {
    return (struct tcp_hdr *) (void *) (headers + SIZEOF_ETH_HDR + cutting->ip_length);
}

static void begin(struct cutting *cutting, const struct pbuf *packet, const struct sending *sending) {
    struct frame_offload offload = sending->offload;
    cutting->at = (struct packet_cursor) {packet, offload.header_length};
    cutting->left = packet->tot_len - offload.header_length;
    cutting->header_length = offload.header_length;
    cutting->ip_length = offload.checksum_start - SIZEOF_ETH_HDR;
    cutting->flags = sending->flags;
    cutting->offload = offload;
    packet_copy(cutting->headers, packet->payload, offload.header_length);
    struct ip_hdr *ip = ip_of(cutting->headers);
    struct tcp_hdr *tcp = tcp_of(cutting, cutting->headers);
    cutting->sequence = lwip_ntohl(tcp->seqno);
    cutting->id = lwip_ntohs(IPH_ID(ip));
    ip->_len = ip->_id = ip->_chksum = 0;
    tcp->seqno = 0;
    tcp->chksum = 0;
    cutting->pseudo_sum = (uint64_t) ip->src.addr + ip->dest.addr + lwip_htons(IP_PROTO_TCP);
    cutting->ip_sum = checksum_of((const uint8_t *) ip, cutting->ip_length);
    cutting->tcp_sum = checksum_of((const uint8_t *) tcp, cutting->header_length - offload.checksum_start);
}

static void write_ip(struct cutting *cutting, struct ip_hdr *ip, size_t size) {
    ip->_len = lwip_htons((uint16_t) (cutting->header_length - SIZEOF_ETH_HDR + size));
    ip->_id = lwip_htons(cutting->id++);
    ip->_chksum = (uint16_t) ~checksum_fold(checksum_add(cutting->ip_sum, (uint64_t) ip->_len + ip->_id));
}

// What pushes or ends stands with the last piece only. Returns the sum of all but the payload.
static uint64_t write_tcp(struct cutting *cutting, struct tcp_hdr *tcp, size_t size) {
    uint64_t sum = cutting->tcp_sum;
    if (size < cutting->left) {
        uint16_t before = tcp->_hdrlen_rsvd_flags;
        TCPH_UNSET_FLAG(tcp, TCP_PSH | TCP_FIN);
        sum = checksum_add(sum, (uint16_t) (before ^ tcp->_hdrlen_rsvd_flags) ^ (uint64_t) UINT16_MAX); // is subtracted
    }
    tcp->seqno = lwip_htonl(cutting->sequence);
    return checksum_add(sum, tcp->seqno);
}

static void cut_piece(struct cutting *cutting) {
    struct building frame;
    size_t size = cutting->left < cutting->offload.segment_size ? cutting->left : cutting->offload.segment_size;
    transmit_build(&frame, PIECE_PARTS_MAX);
    uint8_t *headers = transmit_headers(&frame, cutting->header_length);
    packet_copy(headers, cutting->headers, cutting->header_length);
    struct tcp_hdr *tcp = tcp_of(cutting, headers);
    write_ip(cutting, ip_of(headers), size);
    uint64_t sum = write_tcp(cutting, tcp, size);
    uint64_t pseudo =
        cutting->pseudo_sum + lwip_htons((uint16_t) (cutting->header_length - cutting->offload.checksum_start + size));
    frame.wants_sum = (cutting->flags & FRAME_CHECKSUM_NEEDED) == 0;
    transmit_bytes(&frame, &cutting->at, size);
    tcp->chksum =
        frame.wants_sum ? (uint16_t) ~checksum_fold(checksum_add(checksum_add(sum, pseudo), frame.sum)) : checksum_fold(pseudo);
    transmit_give(&frame, cutting->flags, cutting->offload);
    cutting->sequence += (uint32_t) size;
    cutting->left -= size;
}

status_t cut_output(const struct pbuf *packet, const struct sending *sending) {
    struct cutting cutting;
    size_t payload = packet->tot_len - sending->header_length, size = sending->offload.segment_size;
    size_t pieces = payload > size ? (payload + size - 1) / size : 1;
    if (!transmit_has_room(pieces * PIECE_PARTS_MAX)) {
        return ERR_FULL;
    }
    begin(&cutting, packet, sending);
    do {
        cut_piece(&cutting);
    } while (cutting.left > 0);
    return OK;
}
