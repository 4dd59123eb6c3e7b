// The floor: what QEMU costs without an operating system. A bare program that answers every HTTP request on 10.0.2.15:80
// with a page of 2048 bytes. It remembers nothing of a connection: a segment says all that its answer needs. It trusts
// everything: the device, the network, that nothing is lost. For measuring only.

#include <stddef.h>
#include <stdint.h>

#include "device.h"
#include "frames.h"

enum { SEGMENT_MAX = 1460, PAGE_BODY = 2048 };

static struct headers sent[SENDS];
static uint16_t sent_count, seen_count;

static uint8_t page[PAGE];
static uint32_t page_size, page_sums[2]; // of its first segment and of the rest

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *at, int value, size_t size);
[[noreturn]] void serve(void);

void *memcpy(void *to, const void *from, size_t size) {
    uint8_t *out = to;
    const uint8_t *in = from;
    while (size--) {
        *out++ = *in++;
    }
    return to;
}

void *memset(void *at, int value, size_t size) {
    uint8_t *out = at;
    while (size--) {
        *out++ = (uint8_t) value;
    }
    return at;
}

// --- Sending ---

static struct headers *next_headers(void) {
    while ((uint16_t) (sent_count - queues[SEND].used.index) >= SENDS) {
        __asm__ volatile("pause");
    }
    struct headers *headers = &sent[sent_count % SENDS];
    memset(headers, 0, sizeof *headers);
    return headers;
}

static void send(struct headers *headers, uint32_t size, const uint8_t *body, uint32_t body_size) {
    uint16_t first = 2 * (sent_count % SENDS);
    struct descriptor *pair = &queues[SEND].descriptors[first];
    pair[0] = (struct descriptor) {(uint32_t) headers, size, body_size ? NEXT : 0, first + 1};
    pair[1] = (struct descriptor) {(uint32_t) body, body_size, 0, 0};
    queues[SEND].available.ring[sent_count++ % ENTRIES] = first;
}

static void send_segment(const struct frame *to, uint32_t sequence, uint32_t acknowledged, uint8_t flags, uint32_t from,
                         uint32_t size) {
    struct headers *out = next_headers();
    uint32_t tcp_size = flags & TCP_SYN ? sizeof out->tcp + sizeof out->option : sizeof out->tcp;
    memcpy(out->ethernet.to, to->ethernet.from, 6);
    memcpy(out->ethernet.from, own_mac, 6);
    out->ethernet.type = big16(ETHERNET_IP);
    out->ip = (struct ip) {
        0x45, 0, big16(sizeof out->ip + tcp_size + size), 0, big16(IP_DO_NOT_FRAGMENT), 64, IP_TCP, 0, to->ip.to, to->ip.from};
    out->ip.checksum = ~fold(sum(&out->ip, sizeof out->ip, 0));
    out->tcp =
        (struct tcp) {to->tcp.to, to->tcp.from, big32(sequence), big32(acknowledged), tcp_size << 2, flags, big16(65000), 0, 0};
    out->option = flags & TCP_SYN ? big32(TCP_OPTION_MSS | SEGMENT_MAX) : 0;
    uint32_t pseudo = sum(&out->ip.from, 8, big16(IP_TCP) + big16(tcp_size + size));
    if (has_checksum) {
        out->virtio.flags = VIRTIO_NEEDS_CHECKSUM;
        out->virtio.checksum_start = offsetof(struct headers, tcp) - sizeof out->virtio;
        out->virtio.checksum_offset = offsetof(struct tcp, checksum);
        out->tcp.checksum = fold(pseudo);
    } else {
        uint32_t body_sum = size == 0 ? 0 : page_sums[from != 0];
        out->tcp.checksum = ~fold(sum(&out->tcp, tcp_size, pseudo + body_sum));
    }
    if (size > SEGMENT_MAX) {
        out->virtio.segmentation = VIRTIO_TCP4;
        out->virtio.header_size = offsetof(struct headers, option) - sizeof out->virtio;
        out->virtio.segment_size = SEGMENT_MAX;
    }
    send(out, offsetof(struct headers, tcp) + tcp_size, page + from, size);
}

static void send_page(const struct frame *to, uint32_t sequence, uint32_t acknowledged) {
    if (has_checksum && has_segmentation) {
        send_segment(to, sequence, acknowledged, TCP_ACK | TCP_PUSH, 0, page_size);
        return;
    }
    send_segment(to, sequence, acknowledged, TCP_ACK, 0, SEGMENT_MAX);
    send_segment(to, sequence + SEGMENT_MAX, acknowledged, TCP_ACK | TCP_PUSH, SEGMENT_MAX, page_size - SEGMENT_MAX);
}

// --- Receiving ---

static void answer_arp(const struct frame *frame) {
    const struct arp *request = &frame->arp;
    if (request->operation != big16(ARP_REQUEST) || request->to_ip[3] != 15) {
        return;
    }
    struct headers *out = next_headers();
    memcpy(out->ethernet.to, frame->ethernet.from, 6);
    memcpy(out->ethernet.from, own_mac, 6);
    out->ethernet.type = big16(ETHERNET_ARP);
    struct arp *reply = (struct arp *) &out->ip;
    memcpy(reply, request, offsetof(struct arp, operation));
    reply->operation = big16(ARP_REPLY);
    memcpy(reply->from_mac, own_mac, 6);
    memcpy(reply->from_ip, request->to_ip, 4);
    memcpy(reply->to_mac, request->from_mac, 10); // and their IP address
    send(out, offsetof(struct headers, ip) + sizeof *reply, nullptr, 0);
}

static void answer_tcp(const struct frame *frame) {
    uint32_t headers = (frame->ip.version & 15u) * 4 + (frame->tcp.offset >> 4) * 4u;
    uint32_t size = big16(frame->ip.size) - headers;
    uint32_t sequence = big32(frame->tcp.acknowledged);
    uint32_t acknowledged = big32(frame->tcp.sequence) + size;
    if (frame->tcp.flags & TCP_RST) {
        return;
    }
    if (frame->tcp.flags & TCP_SYN) {
        send_segment(frame, 0x1000, acknowledged + 1, TCP_SYN | TCP_ACK, 0, 0);
        return;
    }
    if (size) {
        send_page(frame, sequence, acknowledged);
        sequence += page_size;
    }
    if (frame->tcp.flags & TCP_FIN) {
        send_segment(frame, sequence, acknowledged + 1, TCP_FIN | TCP_ACK, 0, 0);
    }
}

static void answer(const struct frame *frame) {
    if (frame->ethernet.type == big16(ETHERNET_ARP)) {
        answer_arp(frame);
    } else if (frame->ethernet.type == big16(ETHERNET_IP) && frame->ip.protocol == IP_TCP) {
        answer_tcp(frame);
    }
}

static void receive(void) {
    struct queue *queue = &queues[RECEIVE];
    while (seen_count != queue->used.index) {
        uint32_t id = queue->used.ring[seen_count % ENTRIES].id;
        answer((const struct frame *) received[id]);
        queue->available.ring[seen_count++ % ENTRIES] = (uint16_t) id;
        compiler_barrier();
        queue->available.index = seen_count + ENTRIES;
    }
}

static void tell_sent(void) {
    struct queue *queue = &queues[SEND];
    if (queue->available.index == sent_count) {
        return;
    }
    compiler_barrier();
    queue->available.index = sent_count;
    if (!(queue->used.flags & NO_NOTIFY)) {
        device_notify(SEND);
    }
}

static void wait_for_frames(void) {
    struct queue *queue = &queues[RECEIVE];
    __asm__ volatile("cli");
    while (seen_count == queue->used.index) {
        queue->available.flags = 0;
        compiler_barrier();
        if (seen_count == queue->used.index) {
            __asm__ volatile("sti; hlt; cli" ::: "memory");
        }
    }
    queue->available.flags = NO_INTERRUPT;
}

static void make_page(void) {
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2048\r\n\r\n";
    memcpy(page, head, sizeof head - 1);
    memset(page + sizeof head - 1, 'x', PAGE_BODY);
    page_size = sizeof head - 1 + PAGE_BODY;
    page_sums[0] = fold(sum(page, SEGMENT_MAX, 0));
    page_sums[1] = fold(sum(page + SEGMENT_MAX, page_size - SEGMENT_MAX, 0));
}

void serve(void) {
    make_page();
    device_start();
    console_print("READY\n");
    for (;;) {
        wait_for_frames();
        receive();
        tell_sent();
    }
}
