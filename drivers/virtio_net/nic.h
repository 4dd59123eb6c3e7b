// A virtio network device and the frame region that it serves (virtio 1.2 §5.1).
//
// Trusts neither: the device is checked by lib/virtio, the client by lib/ring, and what lies in a buffer may be changed
// by both at any time.
#pragma once

#include <driver/dma.h>
#include <ring/frame_region.h>
#include <virtio/virtio.h>

enum {
    NIC_RECEIVE = 0, // queue numbers, §5.1.2
    NIC_TRANSMIT = 1,
    NIC_QUEUE_SIZE = 256,
    NIC_MAC_SIZE = 6,
    ETHERNET_HEADER_SIZE = 14,
};

// What the device and the driver can leave to each other, §5.1.3. Each is of use with the one before it only.
enum nic_feature : uint64_t {
    NIC_SEND_CHECKSUM = 1ull << 0,
    NIC_SEND_SEGMENTS = 1ull << 11,
    NIC_RECEIVE_CHECKSUM = 1ull << 1,
    NIC_RECEIVE_LARGE = 1ull << 7,
};

// In front of each frame, §5.1.6.
struct nic_header {
    uint8_t flags;
    uint8_t segment_type;
    uint16_t header_length;
    uint16_t segment_size;
    uint16_t checksum_start, checksum_offset;
    uint16_t buffer_count; // received
};
enum { NIC_HEADER_SIZE = sizeof(struct nic_header) };
static_assert(NIC_HEADER_SIZE == 12 && NIC_HEADER_SIZE + sizeof(struct frame_offload) <= FRAME_HEADROOM);

struct nic_counters {
    uint64_t received_frames, received_bytes;
    uint64_t sent_frames, sent_bytes;
    uint64_t dropped_short;    // less than an Ethernet header
    uint64_t dropped_spanning; // in more buffers than was agreed on, or not in all of them
    uint64_t dropped_long;     // the client's, beyond the MTU
    uint64_t dropped_offload;  // the client's, with which the device would be asked for nonsense
    uint64_t device_failures;
};

// A range of the client's memory that the device may read. Its size is in the end's lent_sizes, 0 once it is taken back.
struct nic_lent {
    folio_t folio; // HANDLE_INVALID: free
    uint64_t address;
    uint16_t frames; // with the device, that refer to it
};

struct nic {
    struct virtio_device device;
    struct virtqueue receive, transmit;
    struct dma rings;  // of both queues
    struct dma region; // struct frame_region
    struct frame_end end;

    uint16_t spare[FRAME_HALF]; // held receive buffers that the device does not have
    uint16_t spare_count;
    uint16_t skip; // further buffers of a frame that is dropped
    struct {
        struct frame parts[FRAME_PARTS_MAX]; // of a frame of which the device has not shown all
        uint16_t count, missing;
        uint32_t length;
    } incoming;

    uint16_t next_part[FRAME_BUFFERS]; // of a frame that the device sends: the buffer after this one; 0: none

    struct nic_lent lent[FRAME_LENT_MAX + 1];
    uint16_t lent_of[FRAME_BUFFERS]; // of a frame that the device sends, by its first buffer: a bit for each that it refers to

    uint16_t offloads;  // flags that the client's frames may have
    uint16_t parts_max; // of each of them

    bool is_running;
    bool is_link_up;
    uint8_t mac[NIC_MAC_SIZE];
    uint32_t mtu;
    struct nic_counters counters;
};

// Agrees with the device, which is open, and reads what it is.
status_t nic_identify(struct nic *nic);

// Starts or restarts the device on the buffers that this end of the region holds: on all of them after frame_begin.
status_t nic_start(struct nic *nic);
status_t nic_stop(struct nic *nic); // no DMA from then on

// Reads whether the link is up. ERR_IO: the device failed
status_t nic_read_link(struct nic *nic);

// Moves frames both ways until both sides are asleep. `out_wake`: the client must be told. PENDING: there is more to
// do, but others should have their turn; ERR_IO: the device broke the rules; ERR_MALFORMED: the client did
status_t nic_run(struct nic *nic, bool *out_wake);

// The device may read these bytes, of a pinned folio, from now on. Owns the folio on success. ERR_LIMIT
status_t nic_lend(struct nic *nic, struct dma memory, uint8_t *out_number);
status_t nic_unlend(struct nic *nic, uint32_t number); // ERR_NOT_FOUND
void nic_forget_lent(struct nic *nic);                 // all; the device is stopped

// Gives the device all spare buffers.
void nic_refill(struct nic *nic);
