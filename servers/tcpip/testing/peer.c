// The world around tcpip for its tests: the supervisor, the Ethernet driver, one remote host, and clients.
#include <lwip/inet_chksum.h> // before the framework, which poisons what it uses

#include "peer.h"

#include <arpa/inet.h>
#include <string.h>

#include <ring/frame_region.h>

#include "ethernet.h"
#include "network.h"
#include "supervisor.h"

#pragma clang diagnostic ignored "-Wunused-result"

status_t component_prepare(void);

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0, 0, 0, 0, 2};

enum { PEER_SENT_MAX = 33 * 1024 };
enum { ETHERNET_SIZE = 14, IP_SIZE = 20, TCP_SIZE = 20, UDP_SIZE = 8, ARP_SIZE = 28 };

static channel_t driver;
static struct frame_end end;
static uint16_t free_buffers[FRAME_HALF];
static size_t free_count;
static uint64_t kicks, arp_searches;
static bool answers_arp = true;
static bool are_checksums_correct;
static uint16_t offloads, segment_size;

static void put(void *to, const void *from, size_t size) {
    (void) mem_copy(to, size, from, size);
}

// What the component has lent to the driver, by its number.
static struct {
    folio_t folio;
    uint64_t offset;
} lent[FRAME_LENT_MAX + 1];
static bool refuses_lent;
static uint64_t lent_bytes_taken;
static unsigned wrong_unlends;

static status_t take_lent(const struct message *message, uint32_t *out_number) {
    struct ethernet_lend request;
    TRY(ethernet_lend_decode(message, &request));
    for (uint32_t number = 1; number <= FRAME_LENT_MAX && !refuses_lent; number++) {
        if (lent[number].folio.handle == HANDLE_INVALID) {
            lent[number].folio = request.folio;
            lent[number].offset = request.offset;
            end.lent_sizes[number] = request.size;
            *out_number = number;
            return OK;
        }
    }
    (void) handle_close(request.folio.handle);
    return ERR_LIMIT;
}

static void answer_lend(const struct message *message) {
    struct message answer;
    struct ethernet_lend_reply reply = {};
    status_t status = take_lent(message, &reply.lent);
    (void) ethernet_lend_reply_encode(&reply, &answer);
    answer.header.transaction = message->header.transaction;
    answer.header.status = status;
    answer.header.length = status == OK ? answer.header.length : 0;
    fake_send(driver, &answer);
    fake_run();
}

// False: it is not lent.
static bool forget_lent(uint32_t number) {
    if (number == 0 || number > FRAME_LENT_MAX || lent[number].folio.handle == HANDLE_INVALID) {
        return false;
    }
    (void) handle_close(lent[number].folio.handle);
    lent[number].folio = (folio_t) {};
    end.lent_sizes[number] = 0;
    return true;
}

static void take_messages(void) {
    struct message message;
    struct ethernet_unlend unlend;
    while (fake_receive(driver, &message)) {
        kicks += message.header.kind == ETHERNET_KICK;
        if (message.header.kind == ETHERNET_LEND) {
            answer_lend(&message);
        } else if (message.header.kind == ETHERNET_UNLEND && ethernet_unlend_decode(&message, &unlend) == OK) {
            wrong_unlends += !forget_lent(unlend.lent);
        }
    }
}

void peer_run_driver(void) {
    take_messages();
}

void peer_refuse_lent(void) {
    refuses_lent = true;
}

size_t peer_lent_count(void) {
    size_t count = 0;
    take_messages();
    for (uint32_t number = 1; number <= FRAME_LENT_MAX; number++) {
        count += end.lent_sizes[number] != 0;
    }
    return count;
}

unsigned peer_wrong_unlends(void) {
    take_messages();
    return wrong_unlends;
}

uint64_t peer_lent_bytes_taken(void) {
    return lent_bytes_taken;
}

static const uint8_t *bytes_of(struct frame part) {
    if (part.lent == 0) {
        return frame_data(&end, part);
    }
    lent_bytes_taken += part.length;
    return fake_folio_memory(lent[part.lent].folio) + lent[part.lent].offset + frame_lent_offset(part);
}

// --- Supervisor ---

static channel_t give_service(const char *name) {
    channel_t theirs, ours;
    struct message message;
    fake_channel_pair(&theirs, &ours);
    struct supervisor_service event = {.service = bytes_from_string(name), .channel = theirs};
    (void) supervisor_service_encode(&event, &message);
    fake_send(fake_bootstrap(), &message);
    return ours;
}

void peer_driver_offers(uint16_t offered) {
    offloads = offered;
}

void peer_driver_answer(status_t status) {
    struct kernel_result folio = kernel_calls->folio_create(sizeof(struct frame_region), 0);
    struct ethernet_open_reply reply = {
        .mac = {our_mac, 6}, .mtu = 1500, .offloads = offloads, .region = {(handle_t) folio.value}};
    struct message message;
    for (uint32_t number = 1; number <= FRAME_LENT_MAX; number++) {
        (void) forget_lent(number);
    }
    frame_begin(&end, (struct frame_region *) (void *) fake_folio_memory(reply.region), FRAME_DRIVER, 0);
    for (free_count = 0; free_count < FRAME_HALF; free_count++) {
        free_buffers[free_count] = (uint16_t) free_count;
    }
    (void) ethernet_open_reply_encode(&reply, &message);
    message.header.transaction = TRANSACTION_KERNEL;
    message.header.status = status;
    fake_send(driver, &message);
}

void peer_driver_restart(status_t status) {
    driver = give_service("ethernet");
    peer_driver_answer(status);
}

void peer_driver_close(void) {
    fake_close(driver);
    fake_run();
}

void peer_driver_break_rings(void) {
    struct message message;
    (void) frame_give(&end, FRAME_RECEIVED, (struct frame) {.buffer = free_buffers[0], .length = UINT16_MAX});
    (void) frame_publish(&end, FRAME_RECEIVED);
    (void) ethernet_wake_encode(&message);
    fake_send(driver, &message);
    fake_run();
    take_messages();
}

bool peer_start(const char *config) {
    struct message message;
    fake_kernel_reset();
    if (component_prepare() != OK) {
        return false;
    }
    peer_driver_restart(OK);
    struct supervisor_start event = {.name = BYTES("tcpip"), .config = bytes_from_string(config)};
    (void) supervisor_start_encode(&event, &message);
    fake_send(fake_bootstrap(), &message);
    fake_run();
    return fake_receive(fake_bootstrap(), &message) && message.header.kind == SUPERVISOR_READY;
}

channel_t peer_client(void) {
    channel_t theirs, ours;
    struct message message;
    fake_channel_pair(&theirs, &ours);
    struct supervisor_connect event = {.service = BYTES("network"), .channel = theirs};
    (void) supervisor_connect_encode(&event, &message);
    fake_send(fake_bootstrap(), &message);
    fake_run();
    return ours;
}

void peer_open(channel_t client, const char *uri) {
    struct message message;
    struct network_open request = {.uri = bytes_from_string(uri)};
    (void) network_open_encode(&request, &message);
    message.header.transaction = 7;
    fake_send(client, &message);
    fake_run();
}

bool peer_opened(channel_t client, status_t *out_status, channel_t *out_channel) {
    struct message message;
    struct network_open_reply reply = {};
    if (!fake_receive(client, &message)) {
        return false;
    }
    *out_status = (status_t) message.header.status;
    if (*out_status == OK) {
        (void) network_open_reply_decode(&message, &reply);
    }
    *out_channel = reply.channel;
    return true;
}

// --- Driver ---

uint64_t peer_kicks(void) {
    take_messages();
    return kicks;
}

static void collect_returned(void) {
    struct frame frame;
    while (frame_take(&end, FRAME_RECEIVE_RETURNED, &frame) == OK) {
        free_buffers[free_count++] = frame.buffer;
    }
}

size_t peer_buffers_away(void) {
    collect_returned();
    return FRAME_HALF - free_count;
}

static void wake(void) {
    struct message message;
    if (frame_publish(&end, FRAME_RECEIVED)) {
        (void) ethernet_wake_encode(&message);
        fake_send(driver, &message);
    }
    fake_run();
    take_messages();
}

static void give_part(const uint8_t *data, size_t size, uint8_t flags) {
    struct frame part = {free_buffers[--free_count], FRAME_HEADROOM, (uint16_t) size, flags, 0};
    put(frame_data(&end, part), data, size);
    (void) frame_give(&end, FRAME_RECEIVED, part);
}

void peer_give(const uint8_t *data, size_t size) {
    uint8_t flags = are_checksums_correct ? FRAME_CHECKSUM_CORRECT : 0;
    collect_returned();
    if (free_count <= size / FRAME_ROOM) {
        return; // lost, as on a real wire
    }
    for (; size > FRAME_ROOM; data += FRAME_ROOM, size -= FRAME_ROOM, flags = 0) {
        give_part(data, FRAME_ROOM, flags | FRAME_MORE);
    }
    give_part(data, size, flags);
    wake();
}

void peer_give_unfinished(size_t parts) {
    static const uint8_t data[FRAME_ROOM];
    collect_returned();
    for (size_t i = 0; i < parts; i++) {
        give_part(data, sizeof(data), FRAME_MORE);
    }
    wake();
}

static void ethernet_header(uint8_t *frame, uint16_t type) {
    put(frame, our_mac, 6);
    put(frame + 6, peer_mac, 6);
    frame[12] = (uint8_t) (type >> 8);
    frame[13] = (uint8_t) type;
}

void peer_give_arp(bool is_reply, uint32_t address) {
    static const uint8_t start[8] = {0, 1, 8, 0, 6, 4, 0, 1};
    uint8_t frame[ETHERNET_SIZE + ARP_SIZE] = {}, *arp = frame + ETHERNET_SIZE;
    ethernet_header(frame, 0x0806);
    put(arp, start, sizeof(start));
    arp[7] += is_reply;
    put(arp + 8, peer_mac, 6);
    put(arp + 14, &address, 4);
    put(arp + 18, our_mac, 6);
    put(arp + 24, &(uint32_t) {OUR_ADDRESS}, 4);
    peer_give(frame, sizeof(frame));
}

void peer_trust_checksums(bool are_correct) {
    are_checksums_correct = are_correct;
}

void peer_answer_arp(bool answers) {
    answers_arp = answers;
}

uint64_t peer_arp_searches(void) {
    return arp_searches;
}

// Answers for every address but the component's.
static bool answer_arp(const uint8_t *frame) {
    const uint8_t *arp = frame + ETHERNET_SIZE;
    bool is_arp = frame[12] == 8 && frame[13] == 6;
    bool is_question = is_arp && arp[7] == 1 && memcmp(arp + 14, arp + 24, 4) != 0;
    arp_searches += is_question && frame[0] == 0xff;
    if (is_question && answers_arp) {
        uint32_t wanted;
        put(&wanted, arp + 24, 4);
        peer_give_arp(true, wanted);
    }
    return is_arp;
}

uint16_t peer_segment_size(void) {
    return segment_size;
}

static void tell_transmitted(void) {
    if (frame_publish(&end, FRAME_TRANSMITTED)) {
        struct message message;
        (void) ethernet_wake_encode(&message);
        fake_send(driver, &message);
        fake_run();
    }
}

// Fills in the checksum, of a frame that is to be cut as if it were not.
static void finish_frame(uint8_t *frame, size_t size, struct frame first) {
    struct frame_offload offload = frame_read_offload(&end, first);
    segment_size = (first.flags & FRAME_SEGMENTS_NEEDED) != 0 ? offload.segment_size : 0;
    if ((first.flags & FRAME_CHECKSUM_NEEDED) != 0) {
        uint8_t *start = frame + offload.checksum_start;
        uint16_t checksum = inet_chksum(start, (uint16_t) (size - offload.checksum_start));
        put(start + offload.checksum_offset, &checksum, sizeof(checksum));
    }
}

static bool take_parts(uint8_t *out_frame, size_t *out_size) {
    struct frame first = {}, part = {}, returned[FRAME_PARTS_MAX];
    size_t returned_count = 0;
    *out_size = 0;
    do {
        if (frame_take(&end, FRAME_TRANSMIT, &part) != OK) {
            return false;
        }
        put(out_frame + *out_size, bytes_of(part), part.length);
        first = *out_size == 0 ? part : first;
        *out_size += part.length;
        if (part.lent == 0) {
            returned[returned_count++] = part;
        }
    } while ((part.flags & FRAME_MORE) != 0);
    finish_frame(out_frame, *out_size, first);
    for (size_t i = 0; i < returned_count; i++) {
        (void) frame_give(&end, FRAME_TRANSMITTED, returned[i]); // the last: the component may use it again
    }
    return true;
}

bool peer_take(uint8_t *out_frame, size_t *out_size) {
    while (take_parts(out_frame, out_size)) {
        tell_transmitted();
        if (!answer_arp(out_frame)) {
            return true;
        }
    }
    return false;
}

// --- IP ---

void peer_sum_header(uint8_t *frame) {
    uint8_t *ip = frame + ETHERNET_SIZE;
    ip[10] = ip[11] = 0;
    uint16_t checksum = inet_chksum(ip, IP_SIZE);
    put(ip + 10, &checksum, 2);
}

static void ip_header(uint8_t *frame, uint8_t protocol, size_t payload) {
    uint8_t *ip = frame + ETHERNET_SIZE;
    uint16_t total = htons((uint16_t) (IP_SIZE + payload));
    ethernet_header(frame, 0x0800);
    mem_zero(ip, IP_SIZE);
    ip[0] = 0x45;
    put(ip + 2, &total, 2);
    ip[8] = 64;
    ip[9] = protocol;
    put(ip + 12, &(uint32_t) {PEER_ADDRESS}, 4);
    put(ip + 16, &(uint32_t) {OUR_ADDRESS}, 4);
    peer_sum_header(frame);
}

// Of the payload and the pseudo header.
static uint16_t payload_checksum(const uint8_t *frame, uint8_t protocol, size_t payload) {
    static uint8_t pseudo[12 + PEER_FRAME_MAX];
    uint16_t size = htons((uint16_t) payload);
    put(pseudo, frame + ETHERNET_SIZE + 12, 8);
    pseudo[8] = 0;
    pseudo[9] = protocol;
    put(pseudo + 10, &size, 2);
    put(pseudo + 12, frame + ETHERNET_SIZE + IP_SIZE, payload);
    return inet_chksum(pseudo, (uint16_t) (12 + payload));
}

void peer_give_udp(uint16_t from_port, uint16_t to_port, const void *data, size_t size) {
    uint8_t frame[PEER_SENT_MAX] = {};
    uint16_t fields[4] = {htons(from_port), htons(to_port), htons((uint16_t) (UDP_SIZE + size)), 0};
    ip_header(frame, 17, UDP_SIZE + size);
    put(frame + ETHERNET_SIZE + IP_SIZE, fields, UDP_SIZE);
    put(frame + ETHERNET_SIZE + IP_SIZE + UDP_SIZE, data, size);
    uint16_t checksum = payload_checksum(frame, 17, UDP_SIZE + size);
    put(frame + ETHERNET_SIZE + IP_SIZE + 6, &checksum, 2);
    peer_give(frame, ETHERNET_SIZE + IP_SIZE + UDP_SIZE + size);
}

// --- TCP ---

size_t remote_make(struct remote *remote, uint8_t flags, const void *data, size_t size, uint8_t *frame) {
    uint8_t *tcp = frame + ETHERNET_SIZE + IP_SIZE;
    bool has_mss = (flags & SYN) != 0;
    size_t header = TCP_SIZE + (has_mss ? 4 : 0) + remote->options;
    uint16_t ports[2] = {htons(remote->port), htons(remote->other_port)}, window = htons(remote->window);
    uint32_t numbers[2] = {htonl(remote->sequence), (flags & ACK) != 0 ? htonl(remote->expected) : 0};
    ip_header(frame, 6, header + size);
    mem_zero(tcp, header);
    put(tcp, ports, 4);
    put(tcp + 4, numbers, 8);
    tcp[12] = (uint8_t) (header / 4 << 4);
    tcp[13] = flags;
    put(tcp + 14, &window, 2);
    if (has_mss) {
        uint16_t mss = remote->mss != 0 ? remote->mss : 1460;
        put(tcp + TCP_SIZE, (uint8_t[]) {2, 4, (uint8_t) (mss >> 8), (uint8_t) mss}, 4);
    }
    put(tcp + header, data, size);
    uint16_t checksum = payload_checksum(frame, 6, header + size) ^ remote->spoils_checksums;
    put(tcp + 16, &checksum, 2);
    remote->sequence += (uint32_t) size + ((flags & (SYN | FIN)) != 0);
    return ETHERNET_SIZE + IP_SIZE + header + size;
}

void remote_send(struct remote *remote, uint8_t flags, const void *data, size_t size) {
    uint8_t frame[PEER_SENT_MAX];
    peer_give(frame, remote_make(remote, flags, data, size, frame));
}

static bool parse(const uint8_t *frame, size_t size, const struct remote *remote, struct segment *out) {
    const uint8_t *ip = frame + ETHERNET_SIZE, *tcp = ip + IP_SIZE;
    uint16_t ports[2] = {htons(remote->other_port), htons(remote->port)}, window;
    uint32_t numbers[2];
    if (size < ETHERNET_SIZE + IP_SIZE + TCP_SIZE || ip[9] != 6 || memcmp(tcp, ports, 4) != 0) {
        return false;
    }
    put(numbers, tcp + 4, 8);
    put(&window, tcp + 14, 2);
    size_t total = (size_t) (ip[2] << 8 | ip[3]), header = (size_t) (tcp[12] >> 4) * 4;
    if (payload_checksum(frame, 6, total - IP_SIZE) != 0) {
        return false;
    }
    *out = (struct segment) {.flags = tcp[13], .sequence = ntohl(numbers[0]), .acknowledged = ntohl(numbers[1])};
    out->window = ntohs(window);
    out->size = total - IP_SIZE - header;
    put(out->data, tcp + header, out->size);
    return true;
}

bool remote_receive(struct remote *remote, struct segment *out_segment) {
    static uint8_t frame[PEER_FRAME_MAX];
    size_t size;
    while (peer_take(frame, &size)) {
        if (parse(frame, size, remote, out_segment)) {
            return true;
        }
    }
    return false;
}

bool remote_connect(struct remote *remote, uint16_t port, uint16_t other_port) {
    *remote = (struct remote) {.port = port, .other_port = other_port, .sequence = 1000u * port, .window = UINT16_MAX};
    return remote_connect_as(remote);
}

bool remote_connect_as(struct remote *remote) {
    struct segment segment;
    remote_send(remote, SYN, nullptr, 0);
    if (!remote_receive(remote, &segment) || segment.flags != (SYN | ACK) || segment.acknowledged != remote->sequence) {
        return false;
    }
    remote->expected = segment.sequence + 1;
    remote_send(remote, ACK, nullptr, 0);
    return true;
}

size_t remote_receive_data(struct remote *remote, uint8_t *out_data, size_t capacity) {
    struct segment segment;
    size_t received = 0;
    while (remote_receive(remote, &segment)) {
        if (segment.sequence == remote->expected && received + segment.size <= capacity && segment.size > 0) {
            put(out_data + received, segment.data, segment.size);
            received += segment.size;
            remote->expected += (uint32_t) segment.size;
            remote_send(remote, ACK, nullptr, 0);
        }
    }
    return received;
}
