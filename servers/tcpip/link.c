// The Ethernet device as lwIP's network interface: frames go through rings in memory shared with the driver.
//
// Received frames are lent to lwIP where they lie. The driver is not trusted: lib/ring checks what it writes, and lwIP
// what the frames say.
#include <lwip/etharp.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>
#include <netif/ethernet.h>

#include "acks.h"
#include "clocks.h"
#include "cut.h"
#include "direct.h"
#include "link.h"
#include "needs.h"
#include "offload.h"
#include "resting_acks.h"
#include "stack.h"
#include "transmit.h"

#include <ring/frame_region.h>
#include <starina/component.h>

struct link;
#define ETHERNET_PEER struct link
#include "ethernet.client.h"

enum : uint64_t { OPEN_TIMEOUT = 5 * NSEC_PER_SEC };
enum { BORROWED_MAX = FRAME_HALF / 2 }; // then lwIP gives back what it keeps out of order

struct link {
    channel_t channel;
    struct netif *netif;
    uint64_t mapping;
    struct frame_end end;
    uint8_t offloads;                    // flags that frames to send may have
    uint16_t borrowed;                   // received frames that lwIP has
    uint16_t owed_unlends;               // the driver has to be told: a bit for each number
    unsigned pending_lends, stale_lends; // it has not answered yet, of these to forget
    bool is_attached;                    // the driver's channel is
    bool is_open;                        // and it keeps to the protocol
    bool is_blocked;                     // lwIP wanted to send and there was no buffer
    struct pbuf_custom packets[FRAME_HALF];
};

static struct link link;
struct link_counters link_counters;

// --- Receiving ---

static void packet_return(struct pbuf *packet) {
    uint16_t buffer = (uint16_t) ((struct pbuf_custom *) packet - link.packets);
    link.borrowed--;
    if (frame_give(&link.end, FRAME_RECEIVE_RETURNED, (struct frame) {.buffer = buffer}) != OK) {
        log_error("receive buffer %u was given back twice", buffer);
    }
}

// lwIP checks every length but that of ARP packets.
static bool is_complete(const struct eth_hdr *ethernet, size_t length) {
    return length >= SIZEOF_ETH_HDR &&
           (ethernet->type != PP_HTONS(ETHTYPE_ARP) || length >= SIZEOF_ETH_HDR + SIZEOF_ETHARP_HDR);
}

static struct pbuf *packet_borrow(struct frame part) {
    struct pbuf_custom *custom = &link.packets[part.buffer];
    custom->custom_free_function = packet_return;
    link.borrowed++;
    return pbuf_alloced_custom(PBUF_RAW, part.length, PBUF_REF, custom, frame_data(&link.end, part), part.length);
}

// Takes the other parts of a frame. Its flags are those of the first.
static status_t packet_complete(struct pbuf *packet) {
    struct frame part = {.flags = FRAME_MORE};
    for (unsigned count = 1; (part.flags & FRAME_MORE) != 0; count++) {
        if (count == FRAME_PARTS_MAX || frame_take(&link.end, FRAME_RECEIVED, &part) != OK) {
            return ERR_MALFORMED; // all are published together
        }
        struct pbuf *next = packet_borrow(part);
        if (part.length > UINT16_MAX - packet->tot_len) {
            pbuf_free(next);
            return ERR_MALFORMED;
        }
        pbuf_cat(packet, next);
    }
    return OK;
}

static status_t input_packet(struct frame first) {
    struct pbuf *packet = packet_borrow(first);
    status_t status = (first.flags & FRAME_MORE) != 0 ? packet_complete(packet) : OK;
    link_counters.received++;
    offload_trust(link.netif, (first.flags & FRAME_CHECKSUM_CORRECT) != 0);
    if (status == OK && direct_input(link.netif, packet)) {
        return OK;
    }
    bool is_sound = status == OK && is_complete(packet->payload, packet->len);
    if (!is_sound || link.netif->input(packet, link.netif) != ERR_OK) {
        link_counters.dropped++;
        pbuf_free(packet);
    }
    return status;
}

// The last frame, if it may turn out to be superfluous.
struct held {
    struct frame frame;
    bool is_held;
};

static bool is_plain_ack(struct frame frame) {
    return (frame.flags & FRAME_MORE) == 0 && ack_is_plain(frame_data(&link.end, frame), frame.length);
}

static void return_unread(struct frame frame) {
    link_counters.received++;
    (void) !frame_give(&link.end, FRAME_RECEIVE_RETURNED, frame); // it was just taken
}

static status_t input_held(struct held *held) {
    if (!held->is_held) {
        return OK;
    }
    held->is_held = false;
    if (resting_ack_keep(frame_data(&link.end, held->frame), (held->frame.flags & FRAME_CHECKSUM_CORRECT) != 0)) {
        return_unread(held->frame);
        return OK;
    }
    return input_packet(held->frame);
}

static status_t input_frame(struct held *held, struct frame frame) {
    bool is_ack = is_plain_ack(frame);
    if (is_ack && held->is_held && held->frame.flags == frame.flags &&
        ack_is_superseded(frame_data(&link.end, held->frame), frame_data(&link.end, frame))) {
        return_unread(held->frame);
        held->is_held = false;
    }
    TRY(input_held(held));
    if (!is_ack) {
        return input_packet(frame);
    }
    *held = (struct held) {frame, true};
    return OK;
}

static void free_out_of_order(void) {
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != nullptr; pcb = pcb->next) {
        if (pcb->ooseq != nullptr) {
            tcp_free_ooseq(pcb);
        }
    }
}

static void link_lose(void) {
    link.is_open = false;
    netif_set_link_down(link.netif);
    stack_link_lost();
}

static void link_fail(status_t status) {
    log_error("the driver broke the ring protocol: %s", status_name(status));
    link_lose();
}

// The driver gets no buffer back before the batch ends, so that a flood can't make it endless.
static void receive_batch(void) {
    struct frame frame;
    struct held held = {};
    status_t status;
    do {
        do {
            status = frame_take(&link.end, FRAME_RECEIVED, &frame);
            status = status == OK ? input_frame(&held, frame) : status;
        } while (status == OK);
        (void) input_held(&held); // of one part: nothing is wrong with it
        if (status != ERR_EMPTY) {
            link_fail(status);
            return;
        }
    } while (!frame_sleep(&link.end, FRAME_RECEIVED));
    if (link.borrowed > BORROWED_MAX) {
        free_out_of_order();
    }
}

// --- Sending ---

static void collect_transmitted(void) {
    status_t status = transmit_collect();
    if (status != OK) {
        link_fail(status);
    }
}

static status_t give_frame(const struct pbuf *packet, const struct sending *sending) {
    struct building frame;
    struct packet_cursor behind_headers = {packet, sending->header_length};
    if (!transmit_has_room(FRAME_PARTS_MAX)) {
        return ERR_FULL;
    }
    transmit_build(&frame, FRAME_PARTS_MAX);
    packet_copy(transmit_headers(&frame, sending->header_length), packet->payload, sending->header_length);
    transmit_bytes(&frame, &behind_headers, packet->tot_len - sending->header_length);
    transmit_give(&frame, sending->flags, sending->offload);
    return OK;
}

static status_t give(const struct pbuf *packet, const struct sending *sending) {
    return sending->is_cut_here ? cut_output(packet, sending) : give_frame(packet, sending);
}

// What there is no place for may find one when what was sent is taken back.
static status_t send(const struct pbuf *packet, const struct sending *sending) {
    status_t status = give(packet, sending);
    if (status == ERR_FULL) {
        collect_transmitted();
        status = link.is_open ? give(packet, sending) : ERR_CLOSED;
    }
    return status;
}

// To an ARP packet, if it is a question: lwIP tells others of its own address in the same form. If it can't be sent, lwIP asks
// again at the next tick.
static void expect_answer(const struct netif *netif, const struct pbuf *packet) {
    const struct etharp_hdr *arp = (const void *) ((const uint8_t *) packet->payload + SIZEOF_ETH_HDR);
    ip4_addr_t target;
    IPADDR_WORDALIGNED_COPY_TO_IP4_ADDR_T(&target, &arp->dipaddr);
    if (arp->opcode == PP_HTONS(ARP_REQUEST) && target.addr != netif_ip4_addr(netif)->addr) {
        clocks_expect_arp(target.addr);
    }
}

static err_t link_output(struct netif *netif, struct pbuf *packet) {
    struct sending sending;
    if (((const struct eth_hdr *) packet->payload)->type == PP_HTONS(ETHTYPE_ARP)) {
        expect_answer(netif, packet);
    }
    offload_prepare(link.offloads, netif, packet, &sending);
    bool is_cut = sending.is_cut_here || (sending.flags & FRAME_SEGMENTS_NEEDED) != 0;
    bool fits = is_cut || packet->tot_len <= netif->mtu + SIZEOF_ETH_HDR;
    status_t status = link.is_open && fits ? send(packet, &sending) : ERR_CLOSED;
    if (status == ERR_FULL) {
        link.is_blocked = true;
        return ERR_MEM;
    }
    if (status != OK) {
        link_counters.dropped++;
        return ERR_IF;
    }
    link_counters.sent++;
    return ERR_OK;
}

// There are buffers again: goes on where connections had to stop.
static void resume_output(void) {
    collect_transmitted();
    if (!link.is_blocked) {
        return;
    }
    link.is_blocked = false;
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != nullptr && !link.is_blocked; pcb = pcb->next) {
        if (pcb->unsent != nullptr) {
            tcp_output(pcb);
        }
    }
}

static bool publish(void) {
    bool transmit = frame_publish(&link.end, FRAME_TRANSMIT);
    bool returned = frame_publish(&link.end, FRAME_RECEIVE_RETURNED);
    return transmit || returned;
}

// Somebody waits for what was sent: for buffers, or to have back what was lent.
static bool needs_back(void) {
    return link.is_blocked || (lendings_ending > 0 && transmit_has_lent());
}

void link_flush(void) {
    if (!link.is_open) {
        return;
    }
    bool kick = publish();
    while (link.is_open && needs_back() && !frame_sleep(&link.end, FRAME_TRANSMITTED)) {
        resume_output();
        kick |= publish();
    }
    if (kick || needs_back()) {
        (void) ethernet_kick_send(link.channel); // full: a kick is on its way; closed: ethernet_on_closed follows
    }
}

// --- What clients have lent, lent on to the driver ---

// Of ranges that are no more. What finds no room in the channel waits.
static void unlend_owed(void) {
    while (link.owed_unlends != 0) {
        const struct ethernet_unlend request = {.lent = (uint32_t) __builtin_ctz(link.owed_unlends)};
        if (ethernet_unlend_send(link.channel, &request) != OK) {
            return;
        }
        link.owed_unlends &= link.owed_unlends - 1;
    }
}

static void on_end(struct lent *lent) {
    if (lent->device != 0 && link.is_open) {
        link.owed_unlends |= 1u << lent->device;
        unlend_owed();
    }
}

// Answers come in order: those to what was asked before the last `open` are of numbers that the driver has forgotten.
static void on_lent(void *context, status_t status, const struct ethernet_lend_reply *reply) {
    struct lent *lent = context;
    bool is_stale = link.stale_lends > 0;
    link.stale_lends -= is_stale;
    link.pending_lends--;
    if (status == OK && !is_stale && link.is_open && reply->lent > 0 && reply->lent <= FRAME_LENT_MAX) {
        lent->device = (uint8_t) reply->lent;
    }
    lending_release(lent);
}

void link_lend(struct lent *lent) {
    struct ethernet_lend request = {.offset = lent->offset, .size = lent->size};
    enum : uint32_t { RIGHTS = RIGHT_READ | RIGHT_DMA | RIGHT_TRANSFER };
    lent->device = 0;
    if (!link.is_open || handle_duplicate(lent->folio.handle, RIGHTS, &request.folio.handle) != OK) {
        return; // it is copied: no device may read it
    }
    if (ethernet_lend_begin(link.channel, &request, on_lent, lent) != OK) {
        (void) handle_close(request.folio.handle); // it stayed here
        return;
    }
    link.pending_lends++;
    lending_retain(lent);
}

// --- The driver ---

static void ethernet_on_wake(struct link *self) {
    if (!self->is_open) {
        return;
    }
    stack_enter();
    receive_batch();
    if (needs_back()) {
        resume_output();
    }
    stack_leave();
}

static void ethernet_on_link(struct link *self, const struct ethernet_link *event) {
    stack_enter();
    if (event->up && self->is_open) {
        netif_set_link_up(self->netif);
    } else {
        netif_set_link_down(self->netif);
    }
    stack_leave();
}

// Init starts it again; link_open is called then.
static void ethernet_on_closed(struct link *self) {
    stack_enter();
    self->is_attached = false;
    link_lose();
    stack_leave();
}

static void ethernet_on_writable(struct link *self) {
    stack_enter();
    (void) ethernet_kick_send(self->channel);
    unlend_owed();
    stack_leave();
}

// The old memory goes once lwIP has given back what it kept of it.
static void forget_region(void) {
    free_out_of_order();
    if (link.mapping != 0 && link.borrowed == 0) {
        (void) vmspace_unmap(link.mapping);
    }
    link.mapping = 0;
}

static status_t map_region(folio_t folio) {
    uint64_t size = 0;
    status_t status = folio_info(folio, &size);
    if (status == OK && size < sizeof(struct frame_region)) {
        status = ERR_MALFORMED;
    }
    if (status == OK) {
        status = vmspace_map(folio, 0, sizeof(struct frame_region), MAP_READ | MAP_WRITE, &link.mapping);
    }
    (void) handle_close(folio.handle);
    return status;
}

static void begin_rings(void) {
    frame_begin(&link.end, (struct frame_region *) (uintptr_t) link.mapping, FRAME_CLIENT, 0);
    transmit_begin(&link.end);
    link.borrowed = 0;
    link.is_blocked = false;
    link.owed_unlends = 0;
    link.stale_lends = link.pending_lends;
    link.is_open = true;
}

static err_t link_init(struct netif *netif) {
    netif->name[0] = 'e';
    netif->name[1] = 'n';
    netif->output = etharp_output;
    netif->linkoutput = link_output;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
    return ERR_OK;
}

status_t link_open(struct netif *netif) {
    struct ethernet_open_reply reply;
    forget_region();
    link.channel = need_ethernet();
    TRY(ethernet_open_call(link.channel, &reply, OPEN_TIMEOUT));
    TRY(map_region(reply.region));
    if (reply.mac.len != NETIF_MAX_HWADDR_LEN || reply.mtu < TCP_MSS + IP_HLEN + TCP_HLEN) {
        return ERR_MALFORMED;
    }
    if (link.netif == nullptr) {
        link.netif = netif;
        netif_add(netif, nullptr, nullptr, nullptr, nullptr, link_init, ethernet_input);
    }
    netif->mtu = TCP_MSS + IP_HLEN + TCP_HLEN;
    netif->hwaddr_len = NETIF_MAX_HWADDR_LEN;
    link.offloads = (uint8_t) reply.offloads;
    offload_begin(netif, reply.offloads);
    TRY(mem_copy(netif->hwaddr, sizeof(netif->hwaddr), reply.mac.ptr, reply.mac.len));
    if (!link.is_attached) {
        TRY(ethernet_attach(link.channel, &link));
        link.is_attached = true;
    }
    begin_rings();
    lendings_on_end = on_end;
    lendings_each(link_lend);
    netif_set_link_up(netif);
    receive_batch();
    return link.is_open ? OK : ERR_MALFORMED;
}
