// How large the segments are that lwIP cuts a connection's data into: the remote end's (its MSS), or several of them.
//
// lwIP measures by pcb->mss: no segment is longer, and no congestion window smaller, which is why it never becomes less
// again. A large one is a part of the window only, so that a connection on a path that loses segments stays with small
// ones, and others do not wait long for it.
#include <lwip/priv/tcp_priv.h>

#include "cut.h"
#include "tcp_segment.h"

enum : uint32_t {
    WINDOW_SHARE = 4,
    LARGEST = TCP_SND_BUF / WINDOW_SHARE,
};

enum : uint8_t { REMOTE_MSS = 0 }; // lwIP's only field for others: 0, or the remote end's once pcb->mss is larger

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

uint16_t tcp_segment_cut(const struct tcp_pcb *pcb) {
    return (uint16_t) (uintptr_t) tcp_ext_arg_get(pcb, REMOTE_MSS);
}

uint16_t tcp_segment_size(const struct tcp_pcb *pcb) {
    uint16_t size = tcp_segment_cut(pcb);
    return size != 0 ? size : pcb->mss;
}

void tcp_segment_grow(struct tcp_pcb *pcb) {
    uint32_t size = tcp_segment_size(pcb);
    uint32_t room = smaller(smaller(pcb->cwnd, pcb->snd_wnd_max) / WINDOW_SHARE, smaller(LARGEST, CUT_PIECES_MAX * size));
    uint16_t several = (uint16_t) (room - room % size);
    if (several > pcb->mss) {
        tcp_ext_arg_set(pcb, REMOTE_MSS, (void *) (uintptr_t) size);
        pcb->mss = several;
    }
}
