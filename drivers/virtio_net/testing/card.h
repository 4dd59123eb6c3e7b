// A network device and a client for the driver's tests, of which neither need be honest.
#pragma once

#include "../traffic.h"

#include <test/host/fake_virtqueue.h>

struct registers {
    uint8_t status;
    uint64_t offered, accepted;
    uint16_t limit;
    unsigned notified[2];
    uint8_t config[12];
    bool is_dead; // never becomes 0 after a reset
    bool refuses; // the features
};

enum : uint64_t {
    OFFLOADS = 1ull << 0 | 1ull << 1 | 1ull << 7 | 1ull << 11,
    WANTED = 1ull << 5 | 1ull << 15 | 1ull << 16 | OFFLOADS | VIRTIO_EVENT_INDEX | VIRTIO_VERSION_1,
    OFFERED = WANTED | 1ull << 2 | 1ull << 12, // and more
};
enum : uint8_t { BOTH = FRAME_CHECKSUM_NEEDED | FRAME_SEGMENTS_NEEDED };
static const struct frame_offload honest = {34, 16, 1460, 54};

extern struct registers registers;
extern struct fake_virtqueue queues[2];
extern struct nic nic;
extern struct frame_end client;
extern struct frame_region region;

status_t begin_with(uint64_t offered); // a device that offers this, the driver, and a client
status_t begin(void);
status_t run(void);

// The device receives a frame into the next buffer.
bool receive(uint32_t length, uint16_t buffers);
size_t count_received(uint32_t *out_length); // parts that the client gets now

bool transmit(uint16_t buffer, uint16_t length);
size_t count_returned(void); // buffers that the client gets back now

// Gives the frame's parts, all but the last of which are full, from this buffer on.
void transmit_parts(uint16_t buffer, uint32_t length, uint8_t flags, struct frame_offload offload);
