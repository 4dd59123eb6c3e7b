// The floor: what QEMU costs without an operating system. A bare program that answers every HTTP request on 10.0.2.15:80
// with a page of 2048 bytes. It remembers nothing of a connection: a segment says all that its answer needs. It trusts
// everything: the device, the network, that nothing is lost. For measuring only.

#include <stddef.h>
#include <stdint.h>

#include "frames.h"

// Memory map of QEMU's microvm without ACPI.
enum : uint32_t { VIRTIO_BASE = 0xfeb00000, VIRTIO_SLOT_SIZE = 512, IO_APIC = 0xfec00000, LOCAL_APIC = 0xfee00000 };
enum { VIRTIO_SLOTS = 24, VIRTIO_FIRST_IRQ = 5, SERIAL_PORT = 0x3f8, PIC_MASK = 0x21, PIC_MASK_SLAVE = 0xa1, VECTOR = 0x40 };

// virtio 1.2 §4.2.4: the legacy interface's registers.
enum : uint32_t {
    MAGIC_VALUE = 0x00,
    DEVICE_ID = 0x08,
    HOST_FEATURES = 0x10,
    HOST_FEATURES_SELECT = 0x14,
    GUEST_FEATURES = 0x20,
    GUEST_FEATURES_SELECT = 0x24,
    GUEST_PAGE_SIZE = 0x28,
    QUEUE_SELECT = 0x30,
    QUEUE_SIZE = 0x38,
    QUEUE_ALIGN = 0x3c,
    QUEUE_PAGE = 0x40,
    QUEUE_NOTIFY = 0x50,
    INTERRUPT_STATUS = 0x60,
    INTERRUPT_ACKNOWLEDGE = 0x64,
    STATUS = 0x70,
    CONFIG = 0x100,
};
enum : uint32_t { VIRTIO_MAGIC = 0x74726976, VIRTIO_NET = 1, STATUS_DRIVER = 3, STATUS_READY = 7 };
enum : uint32_t { FEATURE_CHECKSUM = 1 << 0, FEATURE_MAC = 1 << 5, FEATURE_TSO4 = 1 << 11 };

enum { ENTRIES = 256, SENDS = ENTRIES / 2, PAGE = 4096, FRAME_MAX = 2048, SEGMENT_MAX = 1460, PAGE_BODY = 2048 };
enum : uint16_t { NEXT = 1, WRITE = 2, NO_INTERRUPT = 1, NO_NOTIFY = 1 };
enum { RECEIVE, SEND };

struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};
struct available {
    uint16_t flags;
    uint16_t index;
    uint16_t ring[ENTRIES];
};
struct used {
    uint16_t flags;
    uint16_t index;
    struct {
        uint32_t id;
        uint32_t length;
    } ring[ENTRIES];
};

struct queue {
    struct descriptor descriptors[ENTRIES];
    volatile struct available available;
    [[gnu::aligned(PAGE)]] volatile struct used used;
};

static struct queue queues[2] __attribute__((aligned(PAGE)));
static uint8_t received[ENTRIES][FRAME_MAX];
static struct headers sent[SENDS];
static uint16_t sent_count, seen_count;
static volatile uint32_t *device;
static uint8_t own_mac[6];
static bool has_checksum, has_segmentation;

static uint8_t page[PAGE];
static uint32_t page_size, page_sums[2]; // of its first segment and of the rest
static uint64_t idt[256];

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *at, int value, size_t size);
[[noreturn]] void serve(void);
void acknowledge(void);
void interrupt_entry(void);

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

static uint32_t reg_read(uint32_t offset) {
    return device[offset / 4];
}

static void reg_write(uint32_t offset, uint32_t value) {
    device[offset / 4] = value;
}

static void port_write(uint16_t port, uint8_t value) {
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static void compiler_barrier(void) {
    __asm__ volatile("" ::: "memory"); // x86 keeps the order of stores
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
        reg_write(QUEUE_NOTIFY, SEND);
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

// --- Setting up ---

void acknowledge(void) {
    reg_write(INTERRUPT_ACKNOWLEDGE, reg_read(INTERRUPT_STATUS));
    *(volatile uint32_t *) (LOCAL_APIC + 0xb0) = 0; // end of interrupt
}

static uint32_t find_device(void) {
    for (uint32_t slot = 0; slot < VIRTIO_SLOTS; slot++) {
        device = (volatile uint32_t *) (VIRTIO_BASE + slot * VIRTIO_SLOT_SIZE);
        if (reg_read(MAGIC_VALUE) == VIRTIO_MAGIC && reg_read(DEVICE_ID) == VIRTIO_NET) {
            return VIRTIO_FIRST_IRQ + slot;
        }
    }
    __builtin_trap();
}

static void set_queue(uint32_t number) {
    reg_write(QUEUE_SELECT, number);
    reg_write(QUEUE_SIZE, ENTRIES);
    reg_write(QUEUE_ALIGN, PAGE);
    reg_write(QUEUE_PAGE, (uint32_t) &queues[number] / PAGE);
}

static void set_device(void) {
    reg_write(STATUS, 0);
    reg_write(STATUS, STATUS_DRIVER);
    reg_write(HOST_FEATURES_SELECT, 0);
    uint32_t features = reg_read(HOST_FEATURES) & (FEATURE_CHECKSUM | FEATURE_MAC | FEATURE_TSO4);
    reg_write(GUEST_FEATURES_SELECT, 0);
    reg_write(GUEST_FEATURES, features);
    has_checksum = features & FEATURE_CHECKSUM;
    has_segmentation = features & FEATURE_TSO4;
    reg_write(GUEST_PAGE_SIZE, PAGE);
    for (uint32_t i = 0; i < 6; i++) {
        own_mac[i] = ((volatile uint8_t *) device)[CONFIG + i];
    }
    set_queue(RECEIVE);
    set_queue(SEND);
    queues[SEND].available.flags = NO_INTERRUPT;
    for (uint16_t i = 0; i < ENTRIES; i++) {
        queues[RECEIVE].descriptors[i] = (struct descriptor) {(uint32_t) received[i], FRAME_MAX, WRITE, 0};
        queues[RECEIVE].available.ring[i] = i;
    }
    queues[RECEIVE].available.index = ENTRIES;
    reg_write(STATUS, STATUS_READY);
    reg_write(QUEUE_NOTIFY, RECEIVE);
}

static void set_interrupts(uint32_t irq) {
    uint64_t entry = (uint32_t) interrupt_entry;
    uint64_t gate = (entry & 0xffff) | 8u << 16 | ((entry & 0xffff0000) | 0x8e00) << 32; // Intel SDM vol. 3A §6.11
    for (int i = 0; i < 256; i++) {
        idt[i] = gate;
    }
    struct [[gnu::packed]] {
        uint16_t limit;
        uint32_t base;
    } pointer = {sizeof idt - 1, (uint32_t) idt};
    __asm__ volatile("lidt %0" ::"m"(pointer));
    port_write(PIC_MASK, 0xff);
    port_write(PIC_MASK_SLAVE, 0xff);
    *(volatile uint32_t *) (LOCAL_APIC + 0xf0) = 0x1ff; // enabled
    volatile uint32_t *io_apic = (volatile uint32_t *) IO_APIC;
    io_apic[0] = 0x10 + 2 * irq + 1;
    io_apic[4] = *(volatile uint32_t *) (LOCAL_APIC + 0x20); // to this CPU
    io_apic[0] = 0x10 + 2 * irq;
    io_apic[4] = VECTOR;
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
    uint32_t irq = find_device();
    set_interrupts(irq);
    set_device();
    for (const char *text = "READY\n"; *text; text++) {
        port_write(SERIAL_PORT, (uint8_t) *text);
    }
    for (;;) {
        wait_for_frames();
        receive();
        tell_sent();
    }
}
