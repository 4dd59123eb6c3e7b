// A split virtqueue (virtio 1.2 §2.7): the one place that reads what a device writes into a ring.
//
// The device is not trusted: its positions, ids and lengths are checked against a private record of what it was given,
// and what it gets is never read back. A queue that it broke stays broken until the device is reset.
#pragma once

#include <starina/types.h>

#include <stdatomic.h>

enum { VIRTQUEUE_SIZE_MAX = 256 };

// Memory that the device reads or writes.
struct virtqueue_segment {
    uint64_t address; // as the device sees it
    uint32_t length;
    bool is_for_device_to_write; // those follow the ones that it reads
};

struct virtqueue_descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};

struct virtqueue_used_element {
    _Atomic uint32_t id;
    _Atomic uint32_t length;
};

// What the device did wrong, by kind.
struct virtqueue_faults {
    uint64_t positions; // it claims to have used more than it was given
    uint64_t ids;       // not the id of anything it holds
    uint64_t lengths;   // it claims to have written more than there was room for
};

struct virtqueue {
    // Shared with the device.
    struct virtqueue_descriptor *descriptors;
    _Atomic uint16_t *available; // flags, index, ring[size], used_event
    _Atomic uint16_t *used;      // flags, index
    struct virtqueue_used_element *used_ring;
    _Atomic uint16_t *available_event; // behind the used ring
    uint64_t descriptors_address, available_address, used_address;

    // Private.
    uint16_t size;
    bool has_event_index;
    bool is_broken;
    uint16_t free_head;
    uint16_t free_count;
    uint16_t in_flight;      // chains that the device holds
    uint16_t next_available; // positions count modulo 2^16, as the device's do
    uint16_t published;
    uint16_t next_used;
    uint16_t used_limit; // the device's position when it was last read
    struct {
        uint32_t writable; // bytes that the device may write into the chain
        uint32_t token;
        uint16_t next;  // in the chain, or in the list of free ones
        uint16_t count; // descriptors in the chain, at its head while the device holds it; else 0
        uint16_t last;  // of them, at the head too
    } chains[VIRTQUEUE_SIZE_MAX];
    struct virtqueue_faults faults;
};

// A chain that the device is through with.
struct virtqueue_done {
    uint32_t token;  // as given to virtqueue_add
    uint32_t length; // bytes written by the device, at most what it had room for
};

// How much zeroed memory a queue of so many entries shares with the device: a multiple of 64.
size_t virtqueue_bytes(uint16_t size);

// `size`: a power of two up to VIRTQUEUE_SIZE_MAX. `address`: of the memory, as the device sees it; both 16-aligned.
status_t virtqueue_begin(struct virtqueue *queue, uint16_t size, void *memory, uint64_t address, bool has_event_index);

// Gives the device a chain of segments; it sees it after virtqueue_publish. ERR_FULL: no free descriptors
status_t virtqueue_add(struct virtqueue *queue, const struct virtqueue_segment *segments, unsigned count, uint32_t token);

// Shows the device what was added. True: it wants to be notified.
bool virtqueue_publish(struct virtqueue *queue);

// Takes back the next chain that the device is through with. ERR_EMPTY: none. ERR_IO: the device broke the rules.
status_t virtqueue_take(struct virtqueue *queue, struct virtqueue_done *out_done);

// Asks for an interrupt as soon as `after` more chains are done (1: the next one). False: they already are.
bool virtqueue_arm(struct virtqueue *queue, uint16_t after);

// Asks for no interrupts. The device may send some all the same.
void virtqueue_disarm(struct virtqueue *queue);
