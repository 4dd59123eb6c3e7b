// How a ring's two sides see each other's progress without losing a wake-up.
#include <ring/ring.h>

void ring_reset(struct ring *ring, uint32_t start) {
    atomic_store_explicit(&ring->is_asleep, 0, memory_order_relaxed);
    atomic_store_explicit(&ring->tail, start, memory_order_release);
}

status_t ring_look(const struct ring *ring, struct ring_end *end, uint32_t room) {
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    uint32_t count = tail - end->position; // right across the wrap
    if (count > room) {
        return ERR_MALFORMED;
    }
    end->limit = tail;
    return count != 0 ? OK : ERR_EMPTY;
}

// The tail is stored, then the flag is read; ring_sleep stores the flag, then reads the tail. Sequential consistency
// makes at least one side see the other's store, so that no wake-up is lost.
bool ring_publish(struct ring *ring, struct ring_end *end) {
    if (end->limit == end->position) {
        return false;
    }
    end->limit = end->position;
    atomic_store_explicit(&ring->tail, end->position, memory_order_seq_cst);
    return atomic_load_explicit(&ring->is_asleep, memory_order_seq_cst) != 0 &&
           atomic_exchange_explicit(&ring->is_asleep, 0, memory_order_relaxed) != 0;
}

bool ring_sleep(struct ring *ring, const struct ring_end *end) {
    atomic_store_explicit(&ring->is_asleep, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&ring->tail, memory_order_seq_cst) == end->position) {
        return true;
    }
    atomic_store_explicit(&ring->is_asleep, 0, memory_order_relaxed);
    return false;
}
