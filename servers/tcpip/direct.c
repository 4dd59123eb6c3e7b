// lwIP asks of each frame, one after the other, whether it is for us, sound, whole, TCP, and then looks for its connection from
// the front of a list on. Here all of that is checked at once of segments of open connections. Whatever is not beyond doubt lwIP
// gets as it came: it refuses and counts.
#include <lwip/ip.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>

#include "checksum.h"
#include "direct.h"
#include "headers.h"
#include "tcp_stream.h"

enum : uint8_t { TO_A_GROUP = 1 }; // in an Ethernet address's first byte

static bool is_for(const struct netif *netif, const struct eth_hdr *ethernet, const struct ip_hdr *ip) {
    return ethernet->type == PP_HTONS(ETHTYPE_IP) && (ethernet->dest.addr[0] & TO_A_GROUP) == 0 &&
           ip->dest.addr == netif_ip4_addr(netif)->addr && netif_is_up(netif);
}

static bool is_whole_segment(const struct ip_hdr *ip) {
    return ip->_v_hl == VERSION_4_NO_OPTIONS && IPH_PROTO(ip) == IP_PROTO_TCP &&
           (IPH_OFFSET(ip) & PP_HTONS(IP_OFFMASK | IP_MF)) == 0 &&
           checksum_fold(checksum_of_header((const uint8_t *) ip)) == UINT16_MAX;
}

static bool is_open_between(const struct tcp_pcb *pcb, const struct ip_hdr *ip, uint16_t remote_port, uint16_t local_port) {
    return pcb->state == ESTABLISHED && pcb->remote_port == remote_port && pcb->local_port == local_port &&
           pcb->remote_ip.addr == ip->src.addr && pcb->local_ip.addr == ip->dest.addr;
}

struct tcp_stream *direct_stream(const uint8_t *frame) {
    uint16_t remote_port = lwip_ntohs(tcp_of(frame)->src), local_port = lwip_ntohs(tcp_of(frame)->dest);
    struct tcp_stream *stream = tcp_stream_expect(remote_port, local_port);
    bool is_known = stream != nullptr && stream->pcb != nullptr;
    return is_known && is_open_between(stream->pcb, ip_of(frame), remote_port, local_port) ? stream : nullptr;
}

// What waited for this segment is dealt with, which may end the connection.
static struct tcp_pcb *find_open(const uint8_t *frame, size_t length) {
    struct tcp_stream *stream = direct_stream(frame);
    if (stream != nullptr && stream->resting.is_there) {
        resting_ack_overtaken(stream, tcp_of(frame), length > TCP_AT + TCPH_HDRLEN_BYTES(tcp_of(frame)));
        stream = direct_stream(frame);
    }
    return stream != nullptr ? stream->pcb : nullptr;
}

// Until lwIP has found the connection, its list has that alone: whatever the driver writes into the frame meanwhile, there is no
// other to be found and moved to the front.
static struct tcp_pcb *whole_list; // nullptr: nothing is left out
static struct tcp_pcb *behind;     // in the whole list, the one in the short list

static void shorten_list(struct tcp_pcb *pcb) {
    whole_list = tcp_active_pcbs;
    behind = pcb->next;
    tcp_active_pcbs = pcb;
    pcb->next = nullptr;
}

void direct_found(void) {
    if (whole_list != nullptr) {
        tcp_active_pcbs->next = behind;
        tcp_active_pcbs = whole_list;
        whole_list = nullptr;
    }
}

// What ip4_input leaves behind for tcp_input.
static void describe(struct netif *netif, const struct ip_hdr *ip) {
    ip_data.current_netif = ip_data.current_input_netif = netif;
    ip_data.current_ip4_header = ip;
    ip_data.current_ip_header_tot_len = IP_HLEN;
    ip_data.current_iphdr_src.addr = ip->src.addr;
    ip_data.current_iphdr_dest.addr = ip->dest.addr;
}

bool direct_input(struct netif *netif, struct pbuf *packet) {
    const uint8_t *frame = packet->payload;
    const struct ip_hdr *ip = ip_of(frame);
    if (packet->len < TCP_AT + TCP_HLEN || !is_for(netif, packet->payload, ip) || !is_whole_segment(ip)) {
        return false;
    }
    size_t length = IP_AT + lwip_ntohs(IPH_LEN(ip)); // read once: the driver may change it
    struct tcp_pcb *pcb = length >= TCP_AT + TCP_HLEN && length <= packet->tot_len ? find_open(frame, length) : nullptr;
    if (pcb == nullptr) {
        return false;
    }
    if (length < packet->tot_len) {
        pbuf_realloc(packet, (uint16_t) length); // without what fills up a short frame
    }
    pbuf_remove_header(packet, TCP_AT);
    describe(netif, ip);
    shorten_list(pcb);
    tcp_input(packet, netif);
    direct_found(); // or its checksum was wrong
    return true;
}
