// The device's side of a virtqueue, for tests: honest, or writing whatever the test wants.
#pragma once

#include <virtio/virtqueue.h>

struct fake_virtqueue {
    struct virtqueue *queue; // its addresses are the host's
    uint16_t next_available;
    uint16_t next_used;
};

// What the driver made available, as the device would read it.
struct fake_chain {
    uint16_t id;
    uint16_t count;
    struct virtqueue_segment segments[64];
};

// Makes the driver's side and this one. Both begin at `position`, as after that many chains.
void fake_virtqueue_begin(struct fake_virtqueue *fake, struct virtqueue *queue, uint16_t size, uint16_t position,
                          bool has_event_index);

bool fake_virtqueue_next(struct fake_virtqueue *fake, struct fake_chain *out_chain); // false: nothing is available
void fake_virtqueue_use(struct fake_virtqueue *fake, uint32_t id, uint32_t length);  // written and shown
void fake_virtqueue_claim(struct fake_virtqueue *fake, uint16_t used_index);         // just the index
uint16_t fake_virtqueue_used_event(const struct fake_virtqueue *fake);
