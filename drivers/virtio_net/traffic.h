// The two directions of the frames' way.
#pragma once

#include "nic.h"

status_t nic_receive(struct nic *nic);       // what the device has received goes to the client
status_t nic_take_returned(struct nic *nic); // buffers that the client gave back

status_t nic_transmit(struct nic *nic);         // what the client wants sent goes to the device
status_t nic_finish_transmits(struct nic *nic); // buffers that the device is through with
bool nic_has_room(const struct nic *nic);       // in the device's queue, for any frame that the client may send next

// Where the device finds it.
static inline uint64_t part_address(const struct nic *nic, struct frame part) {
    uint64_t offset = (uint64_t) part.buffer * FRAME_BUFFER_SIZE + part.offset;
    return nic->region.address + offsetof(struct frame_region, buffers) + offset;
}
