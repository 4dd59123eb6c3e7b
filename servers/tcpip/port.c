// What lwIP calls of its surroundings: random numbers, the time, a say in which segments it sees, and the end when it
// finds itself inconsistent.
#include <lwip/ip4.h>
#include <lwip/opt.h>
#include <lwip/priv/tcp_priv.h>

#include "direct.h"

#include <starina/component.h>

uint32_t port_random(void) {
    uint64_t random;
    if (random_u64(&random) != OK) {
        log_error("no random numbers");
        component_exit(1);
    }
    return (uint32_t) random;
}

uint32_t sys_now(void) {
    return (uint32_t) (clock_ns() / NSEC_PER_MSEC);
}

// lwIP asserts its own consistency, never what a packet says. Init restarts the component.
void port_assert_failed(const char *what, const char *file, int line) {
    log_error("lwIP is inconsistent: %s (%s:%d)", what, file, line);
    component_exit(1);
}

// The half-open connection of this listener that waits longest.
static struct tcp_pcb *oldest_half_open(const struct tcp_pcb_listen *listener) {
    struct tcp_pcb *oldest = nullptr;
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != nullptr; pcb = pcb->next) {
        if (pcb->state == SYN_RCVD && pcb->listener == listener) {
            oldest = pcb; // new ones come in at the front of the list
        }
    }
    return oldest;
}

// Called with each segment that found its connection. A flood of SYNs that never go on must not keep honest clients
// out: when the backlog is full, the newest takes the place of the oldest.
int port_admit(struct tcp_pcb *pcb, const struct tcp_hdr *header) {
    direct_found();
    if (pcb->state != LISTEN || (TCPH_FLAGS(header) & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN) {
        return ERR_OK;
    }
    const struct tcp_pcb_listen *listener = (const struct tcp_pcb_listen *) pcb;
    if (listener->accepts_pending >= listener->backlog) {
        struct tcp_pcb *oldest = oldest_half_open(listener);
        if (oldest != nullptr) {
            tcp_abandon(oldest, 0);
        }
    }
    return ERR_OK;
}

// The TCP header, of which nothing was checked yet. nullptr: the packet is something else.
static const struct tcp_hdr *tcp_header(const struct pbuf *packet) {
    const struct ip_hdr *ip = packet->payload;
    if (packet->len < IP_HLEN || IPH_PROTO(ip) != IP_PROTO_TCP || (IPH_OFFSET(ip) & PP_HTONS(IP_OFFMASK)) != 0) {
        return nullptr;
    }
    size_t offset = IPH_HL_BYTES(ip);
    if (offset < IP_HLEN || packet->len < offset + TCP_HLEN) {
        return nullptr;
    }
    return (const struct tcp_hdr *) ((const uint8_t *) ip + offset);
}

static bool is_between(const struct tcp_pcb *pcb, const struct ip_hdr *ip, const struct tcp_hdr *tcp) {
    return pcb->remote_port == lwip_ntohs(tcp->src) && pcb->local_port == lwip_ntohs(tcp->dest) &&
           pcb->remote_ip.addr == ip->src.addr && pcb->local_ip.addr == ip->dest.addr;
}

// A SYN behind all that an old connection has received begins a new one between the same ports, and the old one need
// wait no longer (RFC 1122 §4.2.2.13). lwIP would answer for the old one until its time is over, and keep out a remote
// host that uses the port again.
static void recycle(const struct ip_hdr *ip, const struct tcp_hdr *tcp) {
    struct tcp_pcb *old = tcp_tw_pcbs;
    while (old != nullptr && !is_between(old, ip, tcp)) {
        old = old->next;
    }
    if (old != nullptr && TCP_SEQ_GT(lwip_ntohl(tcp->seqno), old->rcv_nxt)) {
        tcp_abandon(old, 0);
    }
}

// Called with each IPv4 packet.
int port_prepare(const struct pbuf *packet) {
    const struct ip_hdr *ip = packet->payload;
    const struct tcp_hdr *tcp = tcp_header(packet);
    if (tcp != nullptr && (TCPH_FLAGS(tcp) & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN) {
        recycle(ip, tcp);
    }
    return 0; // lwIP goes on with the packet
}
