// A remote end acknowledges every segment or two. Where several of its answers have come together, the last one says it all
// (RFC 9293 §3.10.7.4: acknowledgements are cumulative); lwIP need not see the others. Repeated ones it does: they tell of a loss.
#include <lwip/prot/ip.h>

#include "acks.h"
#include "headers.h"

enum : size_t { PLAIN_SIZE = TCP_AT + TCP_HLEN };

bool ack_is_plain(const uint8_t *frame, size_t length) {
    const struct ip_hdr *ip = ip_of(frame);
    return length >= PLAIN_SIZE && IPH_LEN(ip) == PP_HTONS(IP_HLEN + TCP_HLEN) && ip->_v_hl == VERSION_4_NO_OPTIONS &&
           IPH_PROTO(ip) == IP_PROTO_TCP && (IPH_OFFSET(ip) & PP_HTONS(IP_OFFMASK | IP_MF)) == 0 &&
           ethernet_of(frame)->type == PP_HTONS(ETHTYPE_IP) && tcp_of(frame)->_hdrlen_rsvd_flags == PP_HTONS(5 << 12 | TCP_ACK);
}

bool ack_is_superseded(const uint8_t *earlier, const uint8_t *later) {
    const struct tcp_hdr *before = tcp_of(earlier), *after = tcp_of(later);
    return before->src == after->src && before->dest == after->dest && before->seqno == after->seqno &&
           ip_of(earlier)->src.addr == ip_of(later)->src.addr && ip_of(earlier)->dest.addr == ip_of(later)->dest.addr &&
           (int32_t) (lwip_ntohl(after->ackno) - lwip_ntohl(before->ackno)) > 0;
}
