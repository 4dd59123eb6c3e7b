// lwIP's periodic work, done when it is due: an idle stack without connections sets no timer but for its lease.
//
// lwIP counts ticks, and acts at few of them. A clock tells after how many there is something to do, and its `run` is told
// how many have gone by. What only grows old meanwhile is made up for when the stack is next entered.
#include <lwip/dhcp.h>
#include <lwip/dns.h>
#include <lwip/etharp.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/dhcp.h>

#include "clocks.h"
#include "resolve.h"
#include "resting_acks.h"
#include "stack.h"

#include <starina/component.h>

enum : uint64_t { NEVER = 0, NEXT = 1 }; // in so many ticks

struct clock {
    nsec_t tick;
    bool grows_old;        // as long as nobody enters the stack, nothing is to be done
    uint64_t (*due)(void); // in how many ticks there is something to do
    void (*run)(uint64_t ticks);
    nsec_t last;   // until when its ticks were run
    uint64_t pace; // after how many of them the timer is set to run the next
    struct timer timer;
};

// --- TCP: retransmissions and delayed acknowledgements are urgent, forgetting closed connections is not ---

static bool is_quiet(const struct tcp_pcb *pcb) {
    enum : uint32_t { WAITING = TF_ACK_DELAY | TF_ACK_NOW | TF_CLOSEPEND | TF_NAGLEMEMERR };
    bool is_waiting = pcb->state == SYN_SENT || pcb->state == SYN_RCVD || pcb->ooseq != nullptr;
    return !is_waiting && pcb->unsent == nullptr && pcb->unacked == nullptr && (pcb->flags & WAITING) == 0;
}

enum : uint64_t { TCP_REST = 10 * NSEC_PER_SEC / NSEC_PER_MSEC / TCP_TMR_INTERVAL };

static uint64_t tcp_due(void) {
    for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb != nullptr; pcb = pcb->next) {
        if (!is_quiet(pcb)) {
            return NEXT;
        }
    }
    return tcp_active_pcbs != nullptr || tcp_tw_pcbs != nullptr ? TCP_REST : NEVER;
}

static void tcp_run(uint64_t ticks) {
    resting_acks_release();
    if (ticks <= 1) {
        tcp_tmr();
        return;
    }
    enum { TICKS_PER_SLOW_TICK = TCP_SLOW_INTERVAL / TCP_TMR_INTERVAL };
    tcp_ticks += (uint32_t) (ticks / TICKS_PER_SLOW_TICK) - 1;
    tcp_slowtmr();
}

// --- ARP ---

// An entry in use is asked for again in its last 30 s: with connections, rests must be shorter than that.
enum : uint64_t { ARP_REST = 10 * NSEC_PER_SEC / NSEC_PER_MSEC / ARP_TMR_INTERVAL };

enum : nsec_t { ARP_WAIT = 6 * NSEC_PER_SEC }; // lwIP gives up after 5
static struct {
    nsec_t deadline;   // 0: no answer is waited for
    ip4_addr_t target; // of those that are asked for, one that is not known yet: at each tick lwIP asks for all of them again
} arp_wait;

static bool is_known(const ip4_addr_t *address) {
    struct eth_addr *ethernet;
    const ip4_addr_t *found;
    return etharp_find_addr(&stack_netif, address, &ethernet, &found) >= 0;
}

static bool is_arp_awaited(void) {
    return arp_wait.deadline != 0 && clock_ns() < arp_wait.deadline && !is_known(&arp_wait.target);
}

static uint64_t arp_due(void) {
    return is_arp_awaited() ? NEXT : tcp_active_pcbs != nullptr ? ARP_REST : NEVER;
}

static void arp_run(uint64_t ticks) {
    for (uint64_t i = 0; i < ticks && i < ARP_MAXAGE; i++) {
        etharp_tmr();
    }
    if (!is_arp_awaited()) {
        arp_wait.deadline = 0; // nobody has to look at the clock for it any more
    }
}

// --- DHCP: lwIP's counters run down to 1 ---

static uint64_t dhcp_due(void) {
    const struct dhcp *dhcp = netif_dhcp_data(&stack_netif);
    return dhcp != nullptr ? dhcp->request_timeout : NEVER;
}

static void dhcp_run(uint64_t ticks) {
    uint64_t due = dhcp_due();
    for (uint64_t i = 0; i < ticks && i < due; i++) {
        dhcp_fine_tmr();
    }
}

enum : uint64_t { LEASE_TICKS_MAX = UINT16_MAX }; // no lease of lwIP's is longer

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a == NEVER || (b != NEVER && b < a) ? b : a;
}

static uint64_t lease_due(void) {
    const struct dhcp *dhcp = netif_dhcp_data(&stack_netif);
    if (dhcp == nullptr || dhcp->state == DHCP_STATE_OFF) {
        return NEVER;
    }
    uint64_t end = dhcp->t0_timeout > dhcp->lease_used ? dhcp->t0_timeout - dhcp->lease_used : NEVER;
    return earlier(end, earlier(dhcp->t1_renew_time, dhcp->t2_rebind_time));
}

static void lease_run(uint64_t ticks) {
    for (uint64_t i = 0; i < ticks && i < LEASE_TICKS_MAX; i++) {
        dhcp_coarse_tmr();
    }
}

// --- DNS ---

static uint64_t dns_due(void) {
    return resolve_is_waiting() ? NEXT : NEVER;
}

enum : uint64_t { NAME_TICKS_MAX = 604800 }; // no name is remembered for longer (lwIP's DNS_MAX_TTL)

static void dns_run(uint64_t ticks) {
    for (uint64_t i = 0; i < ticks && i < NAME_TICKS_MAX && resolve_was_used(); i++) {
        dns_tmr(); // names that were found grow old
    }
}

// --- The clocks ---

enum { TCP_CLOCK, ARP_CLOCK, DHCP_CLOCK, LEASE_CLOCK, DNS_CLOCK, CLOCK_COUNT };

#define CLOCK(name, tick_ms, is_growing_old) \
    {.tick = (tick_ms) * NSEC_PER_MSEC, .grows_old = (is_growing_old), .due = name##_due, .run = name##_run}

static struct clock clocks[CLOCK_COUNT] = {
    [TCP_CLOCK] = CLOCK(tcp, TCP_TMR_INTERVAL, true),         [ARP_CLOCK] = CLOCK(arp, ARP_TMR_INTERVAL, true),
    [DHCP_CLOCK] = CLOCK(dhcp, DHCP_FINE_TIMER_MSECS, false), [LEASE_CLOCK] = CLOCK(lease, DHCP_COARSE_TIMER_MSECS, false),
    [DNS_CLOCK] = CLOCK(dns, DNS_TMR_INTERVAL, true),
};

static void clock_run(struct clock *clock, nsec_t now) {
    uint64_t ticks = (now - clock->last) / clock->tick;
    if (ticks > 0) {
        clock->last += ticks * clock->tick;
        clock->run(ticks);
    }
}

// Round-trip times, and the age of addresses and names, are measured in ticks.
static void make_up(nsec_t now) {
    for (size_t i = 0; i < CLOCK_COUNT; i++) {
        if (clocks[i].grows_old && clocks[i].pace != NEXT) {
            clock_run(&clocks[i], now);
        }
    }
}

static void clock_fired(void *context);

static void clock_set(struct clock *clock, nsec_t now) {
    if (clock->pace == NEVER) {
        timer_stop(&clock->timer);
        return;
    }
    nsec_t due = clock->last + clock->pace * clock->tick;
    timer_start(&clock->timer, due > now ? due - now : 0, clock_fired, clock);
}

static void clock_fired(void *context) {
    struct clock *clock = context;
    nsec_t now = clock_ns();
    stack_enter();
    make_up(now);
    clock_run(clock, now);
    clock->pace = clock->due();
    clock_set(clock, now);
    stack_leave();
}

void clocks_begin(void) {
    if (clocks[TCP_CLOCK].pace != NEXT) { // else its clock does it, at each tick
        make_up(clock_ns());
    }
}

void clocks_end(void) {
    for (size_t i = 0; i < CLOCK_COUNT; i++) {
        struct clock *clock = &clocks[i];
        uint64_t pace = clock->pace == NEXT ? NEXT : clock->due();
        if (pace != NEVER && (clock->pace == NEVER || pace < clock->pace)) {
            // New work counts from now on; what only grows old may do so a little later.
            clock->last = clock_ns();
            clock->pace = pace;
            clock_set(clock, clock->last);
        }
    }
}

void clocks_expect_arp(uint32_t address) {
    if (!is_arp_awaited()) {
        arp_wait.target.addr = address;
    }
    arp_wait.deadline = clock_ns() + ARP_WAIT;
}

void sys_timeouts_init(void) {
    // lwip_init calls it; the clocks start when there is work.
}
