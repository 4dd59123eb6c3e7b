// The way of each frame: between the device's queues and the client's rings, without copying it.
#include "traffic.h"

enum { ROUNDS_MAX = 4, RECEIVE_LOW = NIC_QUEUE_SIZE / 4 };

// Finished frames lie in the queue until something else happens, unless somebody needs their buffers.
static bool rest_transmit(struct nic *nic) {
    uint16_t in_flight = nic->transmit.in_flight;
    bool is_needed = !nic_has_room(nic) || in_flight >= FRAME_HALF / 2;
    if (in_flight > 0 && (is_needed || frame_is_awaited(&nic->end, FRAME_TRANSMITTED))) {
        return virtqueue_arm(&nic->transmit, in_flight / 2 + 1);
    }
    virtqueue_disarm(&nic->transmit);
    return true;
}

// Asks both sides to say when there is more to do. False: there is already.
static bool rest(struct nic *nic) {
    bool is_low = nic->receive.in_flight < RECEIVE_LOW;
    return virtqueue_arm(&nic->receive, 1) && rest_transmit(nic) &&
           (!nic_has_room(nic) || frame_sleep(&nic->end, FRAME_TRANSMIT)) &&
           (!is_low || frame_sleep(&nic->end, FRAME_RECEIVE_RETURNED));
}

static status_t move_frames(struct nic *nic) {
    TRY(nic_receive(nic));
    TRY(nic_finish_transmits(nic));
    TRY(nic_take_returned(nic));
    nic_refill(nic);
    return nic_transmit(nic);
}

status_t nic_run(struct nic *nic, bool *out_wake) {
    *out_wake = false;
    status_t status = OK;
    bool is_done = !nic->is_running;
    for (unsigned round = 0; status == OK && !is_done && round < ROUNDS_MAX; round++) {
        virtqueue_disarm(&nic->receive);
        status = move_frames(nic);
        *out_wake |= frame_publish(&nic->end, FRAME_RECEIVED);
        *out_wake |= frame_publish(&nic->end, FRAME_TRANSMITTED);
        is_done = status == OK && rest(nic);
    }
    return status == OK && !is_done ? PENDING : status;
}
