// Whoever has received an answer acknowledges it, and soon asks for something else: that segment acknowledges it once more. So lwIP
// need not see the first one, as long as it lets nothing go on. The next segment takes its place; at the next tick of TCP's
// clock, by which lwIP measures all times, or as soon as somebody waits for it, lwIP sees it after all.
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>

#include "acks.h"
#include "direct.h"
#include "headers.h"
#include "offload.h"
#include "resting_acks.h"
#include "stack.h"
#include "tcp_stream.h"

static size_t resting_count;

void resting_ack_drop(struct tcp_stream *stream) {
    resting_count -= stream->resting.is_there;
    stream->resting.is_there = false;
}

// Nobody has something to send, to be told or to be given back.
static bool is_awaited(const struct tcp_stream *stream) {
    const struct tcp_sending *sending = &stream->sending;
    return sending->write_count > 0 || sending->is_finishing || sending->owes_drained || lendings_ending > 0 ||
           stream->pcb->unsent != nullptr;
}

// It acknowledges what was sent once, and nothing was lost.
static bool is_smooth(const struct tcp_pcb *pcb, const struct tcp_hdr *tcp) {
    uint32_t acknowledged = lwip_ntohl(tcp->ackno);
    return lwip_ntohl(tcp->seqno) == pcb->rcv_nxt && TCP_SEQ_GT(acknowledged, pcb->lastack) &&
           TCP_SEQ_LEQ(acknowledged, pcb->snd_nxt) && pcb->nrtx == 0 && pcb->dupacks == 0 && pcb->ooseq == nullptr &&
           (pcb->flags & (TF_RTO | TF_INFR)) == 0;
}

// The driver may have changed the frame since it was found to be plain: everything is asked of the copy.
bool resting_ack_keep(const uint8_t *frame, bool is_correct) {
    struct resting_ack ack = {.is_there = true, .is_correct = is_correct};
    __builtin_memcpy(ack.frame, frame, RESTING_ACK_SIZE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST); // the compiler looks at it no more either
    struct tcp_stream *stream = ack_is_plain(ack.frame, RESTING_ACK_SIZE) ? direct_stream(ack.frame) : nullptr;
    if (stream == nullptr) {
        return false;
    }
    if (stream->resting.is_there && !ack_is_superseded(stream->resting.frame, ack.frame)) {
        resting_ack_release(stream);
        return false;
    }
    resting_ack_drop(stream);
    if (is_awaited(stream) || !is_smooth(stream->pcb, tcp_of(ack.frame))) {
        return false;
    }
    stream->resting = ack;
    resting_count++;
    return true;
}

// Without data it has to acknowledge more: lwIP counts those that repeat what an earlier one says, and so needs that one.
void resting_ack_overtaken(struct tcp_stream *stream, const struct tcp_hdr *later, bool has_data) {
    const struct tcp_hdr *resting = tcp_of(stream->resting.frame);
    uint32_t least = lwip_ntohl(resting->ackno) + !has_data;
    bool is_repeated = later->seqno == resting->seqno && (TCPH_FLAGS(later) & (TCP_SYN | TCP_RST | TCP_ACK)) == TCP_ACK &&
                       TCP_SEQ_GEQ(lwip_ntohl(later->ackno), least);
    if (is_repeated) {
        resting_ack_drop(stream);
    } else {
        resting_ack_release(stream);
    }
}

static void packet_done(struct pbuf *packet) {
    (void) packet; // its memory is the stream's
}

void resting_ack_release(struct tcp_stream *stream) {
    // One is enough: the copy is plain, without data, SYN and FIN, so that lwIP keeps nothing of it for later.
    static struct pbuf_custom custom = {.custom_free_function = packet_done};
    struct netif *netif = &stack_netif;
    uint16_t checks = netif->chksum_flags; // may be those of a packet that waits for this one
    if (!stream->resting.is_there) {
        return;
    }
    resting_ack_drop(stream);
    offload_trust(netif, stream->resting.is_correct);
    struct pbuf *packet =
        pbuf_alloced_custom(PBUF_RAW, RESTING_ACK_SIZE, PBUF_REF, &custom, stream->resting.frame, RESTING_ACK_SIZE);
    if (!direct_input(netif, packet)) {
        (void) netif->input(packet, netif); // owns it
    }
    netif->chksum_flags = checks;
}

void resting_acks_release(void) {
    if (resting_count > 0) {
        tcp_streams_each(resting_ack_release);
    }
}
