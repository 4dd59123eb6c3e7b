// lwIP's periodic work, done only while there is any: an idle stack sets no timer but a rare one.
//
// lwIP counts ticks. A clock whose work is not urgent ticks rarely, and its `run` is told how many ticks have gone by.
#include <lwip/dhcp.h>
#include <lwip/dns.h>
#include <lwip/etharp.h>
#include <lwip/priv/tcp_priv.h>

#include "clocks.h"
#include "resolve.h"
#include "stack.h"

#include <starina/component.h>

enum urgency { IDLE, RARE, URGENT };

struct clock {
    nsec_t tick;
    nsec_t rest; // between runs of rare work
    enum urgency (*urgency)(void);
    void (*run)(uint64_t ticks);
    nsec_t last; // until when its ticks were run
    enum urgency pace;
    struct timer timer;
};

enum : nsec_t { ARP_WAIT = 6 * NSEC_PER_SEC }; // lwIP gives up after 5
static nsec_t arp_deadline;                    // until when an answer is waited for

// --- TCP: retransmissions and delayed acknowledgements are urgent, forgetting closed connections is not ---

static bool is_quiet(const struct tcp_pcb *pcb) {
    enum : uint32_t { WAITING = TF_ACK_DELAY | TF_ACK_NOW | TF_CLOSEPEND | TF_NAGLEMEMERR };
    bool is_waiting = pcb->state == SYN_SENT || pcb->state == SYN_RCVD || pcb->ooseq != nullptr;
    return !is_waiting && pcb->unsent == nullptr && pcb->unacked == nullptr && (pcb->flags & WAITING) == 0;
}

static enum urgency tcp_urgency(void) {
    for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb != nullptr; pcb = pcb->next) {
        if (!is_quiet(pcb)) {
            return URGENT;
        }
    }
    return tcp_active_pcbs != nullptr || tcp_tw_pcbs != nullptr ? RARE : IDLE;
}

static void tcp_run(uint64_t ticks) {
    if (ticks <= 1) {
        tcp_tmr();
        return;
    }
    enum { TICKS_PER_SLOW_TICK = TCP_SLOW_INTERVAL / TCP_TMR_INTERVAL };
    tcp_ticks += (uint32_t) (ticks / TICKS_PER_SLOW_TICK) - 1;
    tcp_slowtmr();
}

// --- The others ---

static enum urgency arp_urgency(void) {
    return arp_deadline != 0 && clock_ns() < arp_deadline ? URGENT : RARE;
}

// An entry in use is asked for again in its last 30 s: rests must be shorter than that.
static void arp_run(uint64_t ticks) {
    for (uint64_t i = 0; i < ticks && i < ARP_MAXAGE; i++) {
        etharp_tmr();
    }
}

static enum urgency dhcp_urgency(void) {
    const struct dhcp *dhcp = netif_dhcp_data(&stack_netif);
    return dhcp != nullptr && dhcp->request_timeout > 0 ? URGENT : IDLE;
}

static void dhcp_run(uint64_t ticks) {
    (void) ticks;
    dhcp_fine_tmr();
}

enum : uint64_t { LEASE_TICKS_MAX = UINT16_MAX }; // no lease of lwIP's is longer

static enum urgency lease_urgency(void) {
    return netif_dhcp_data(&stack_netif) != nullptr ? URGENT : IDLE;
}

static void lease_run(uint64_t ticks) {
    for (uint64_t i = 0; i < ticks && i < LEASE_TICKS_MAX; i++) {
        dhcp_coarse_tmr();
    }
}

static enum urgency dns_urgency(void) {
    return resolve_is_waiting() ? URGENT : resolve_was_used() ? RARE : IDLE;
}

static void dns_run(uint64_t ticks) {
    for (uint64_t i = 0; i < ticks; i++) {
        dns_tmr(); // names that were found grow old
    }
}

// --- The clocks ---

enum { TCP_CLOCK, ARP_CLOCK, DHCP_CLOCK, LEASE_CLOCK, DNS_CLOCK, CLOCK_COUNT };

#define CLOCK(name, tick_ms, rest_s) \
    {.tick = (tick_ms) * NSEC_PER_MSEC, .rest = (rest_s) * NSEC_PER_SEC, .urgency = name##_urgency, .run = name##_run}

static struct clock clocks[CLOCK_COUNT] = {
    [TCP_CLOCK] = CLOCK(tcp, TCP_TMR_INTERVAL, 10),       [ARP_CLOCK] = CLOCK(arp, ARP_TMR_INTERVAL, 10),
    [DHCP_CLOCK] = CLOCK(dhcp, DHCP_FINE_TIMER_MSECS, 0), [LEASE_CLOCK] = CLOCK(lease, DHCP_COARSE_TIMER_MSECS, 0),
    [DNS_CLOCK] = CLOCK(dns, DNS_TMR_INTERVAL, 60),
};

static void clock_run(struct clock *clock, nsec_t now) {
    uint64_t ticks = (now - clock->last) / clock->tick;
    if (ticks > 0) {
        clock->last += ticks * clock->tick;
        clock->run(ticks);
    }
}

static void clock_fired(void *context);

static void clock_set(struct clock *clock, nsec_t now) {
    if (clock->pace == IDLE) {
        timer_stop(&clock->timer);
        return;
    }
    nsec_t due = clock->last + (clock->pace == URGENT ? clock->tick : clock->rest);
    timer_start(&clock->timer, due > now ? due - now : 0, clock_fired, clock);
}

static void clock_fired(void *context) {
    struct clock *clock = context;
    nsec_t now = clock_ns();
    stack_enter();
    clock_run(clock, now);
    clock->pace = clock->urgency();
    clock_set(clock, now);
    stack_leave();
}

void clocks_begin(void) {
    struct clock *clock = &clocks[TCP_CLOCK];
    if (clock->pace == RARE) {
        clock_run(clock, clock_ns()); // round-trip times are measured in ticks
    }
}

void clocks_end(void) {
    for (size_t i = 0; i < CLOCK_COUNT; i++) {
        struct clock *clock = &clocks[i];
        enum urgency urgency = clock->pace == URGENT ? URGENT : clock->urgency();
        if (urgency > clock->pace) {
            // New work counts from now on; what only grows old may do so a little later.
            clock->last = clock_ns();
            clock->pace = urgency;
            clock_set(clock, clock->last);
        }
    }
}

void clocks_expect_arp(void) {
    arp_deadline = clock_ns() + ARP_WAIT;
}

void sys_timeouts_init(void) {
    // lwip_init calls it; the clocks start when there is work.
}
