// The two directions of the frames' way.
#pragma once

#include "nic.h"

status_t nic_receive(struct nic *nic);       // what the device has received goes to the client
status_t nic_take_returned(struct nic *nic); // buffers that the client gave back

status_t nic_transmit(struct nic *nic);         // what the client wants sent goes to the device
status_t nic_finish_transmits(struct nic *nic); // buffers that the device is through with
bool nic_has_room(const struct nic *nic);       // in the device's queue, for any frame that the client may send next

// What a frame of this first buffer refers to of what was lent, a bit for each, while the device has it.
void nic_lent_keep(struct nic *nic, uint16_t first, uint16_t numbers);
void nic_lent_release(struct nic *nic, uint16_t first);

// Where the device finds it.
static inline uint64_t part_address(const struct nic *nic, struct frame part) {
    if (part.lent != 0) {
        return nic->lent[part.lent].address + frame_lent_offset(part);
    }
    uint64_t offset = (uint64_t) part.buffer * FRAME_BUFFER_SIZE + part.offset;
    return nic->region.address + offsetof(struct frame_region, buffers) + offset;
}
