// What lwIP calls of its surroundings: random numbers, the time, and the end when it finds itself inconsistent.
#include <lwip/opt.h>
#include <lwip/priv/tcp_priv.h>

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
