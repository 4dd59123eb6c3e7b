// The world around tcpip for its tests: the supervisor, the Ethernet driver, one remote host, and clients.
#pragma once

#include <test/host/fake_kernel.h>

enum { PEER_FRAME_MAX = 64 * 1024 };
enum : uint32_t { PEER_ADDRESS = 0x0202000a, OUR_ADDRESS = 0x0f02000a, PEER_DNS_ADDRESS = 0x0302000a };

// Starts the component with this configuration. False: it did not say that it is ready.
bool peer_start(const char *config);
channel_t peer_client(void); // a new connection to `network`
uint64_t peer_kicks(void);

// --- The driver. How it answers `open` is laid out before it is asked ---

void peer_driver_offers(uint16_t offloads); // to every later `open`
void peer_driver_answer(status_t status);
void peer_driver_restart(status_t status); // the component gets another channel to it
void peer_driver_close(void);
void peer_driver_break_rings(void);

void peer_run_driver(void);           // answers what the component has lent to it
void peer_refuse_lent(void);          // from then on
unsigned peer_wrong_unlends(void);    // of what the driver has not
size_t peer_lent_count(void);         // ranges that the driver has
uint64_t peer_lent_bytes_taken(void); // so far, in frames

// Calls `network.open` and takes its reply, if there is one yet.
void peer_open(channel_t client, const char *uri);
bool peer_opened(channel_t client, status_t *out_status, channel_t *out_channel);

// --- Frames ---

void peer_give(const uint8_t *frame, size_t size);    // to the component; it runs
void peer_give_unfinished(size_t parts);              // so many, and then no last one
bool peer_take(uint8_t *out_frame, size_t *out_size); // from it. ARP requests for the remote host are answered first
uint16_t peer_segment_size(void);                     // what the last one taken is to be cut into; 0: it is not
void peer_trust_checksums(bool are_correct);          // whether the driver vouches for what it gives; at first it does not
void peer_answer_arp(bool answers);                   // whether it does that; at first it does
uint64_t peer_arp_searches(void);                     // questions to all stations so far
void peer_give_arp(bool is_reply, uint32_t address);  // the sender says that it has this address
size_t peer_buffers_away(void);                       // receive buffers that the component has

// Fills in the headers' lengths and checksums and gives the frame.
void peer_sum_header(uint8_t *frame); // IP's checksum again
void peer_give_udp(uint16_t from_port, uint16_t to_port, const void *data, size_t size);

// --- A TCP connection from the remote host's side ---

enum : uint8_t { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

struct remote {
    uint16_t port;       // its own
    uint16_t other_port; // the component's
    uint32_t sequence;   // of the next byte to send
    uint32_t expected;   // of the next byte to receive
    uint16_t window;
    uint16_t mss;          // 0: the largest
    bool spoils_checksums; // of what it sends
    uint8_t options;       // in what it sends: bytes, a multiple of 4, that say nothing
};

struct segment {
    uint8_t flags;
    uint32_t sequence, acknowledged;
    uint16_t window;
    size_t size;
    uint8_t data[PEER_FRAME_MAX];
};

// The frame with the next segment, which counts as sent. Returns its size
size_t remote_make(struct remote *remote, uint8_t flags, const void *data, size_t size, uint8_t *out_frame);
void remote_send(struct remote *remote, uint8_t flags, const void *data, size_t size);
bool remote_receive(struct remote *remote, struct segment *out_segment); // the next segment for it
bool remote_connect(struct remote *remote, uint16_t port, uint16_t other_port);
bool remote_connect_as(struct remote *remote); // with its own ports, sequence, window and MSS
size_t remote_receive_data(struct remote *remote, uint8_t *out_data, size_t capacity); // all there is, acknowledging it
