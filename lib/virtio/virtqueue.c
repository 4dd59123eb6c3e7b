// Builds descriptor chains and takes back used ones, checking everything that the device wrote.
#include <virtio/virtqueue.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "virtio is little endian");
static_assert(sizeof(_Atomic uint16_t) == 2 && sizeof(struct virtqueue_used_element) == 8);

enum : uint16_t { DESCRIPTOR_NEXT = 1, DESCRIPTOR_WRITE = 2 };           // §2.7.5
enum : uint16_t { AVAILABLE_NO_INTERRUPT = 1, USED_NO_NOTIFY = 1 };      // §2.7.7, §2.7.10
enum { FLAGS = 0, INDEX = 1, AVAILABLE_RING = 2, USED_RING_OFFSET = 4 }; // in uint16_t, the last one in bytes

static size_t available_offset(uint16_t size) {
    return size * sizeof(struct virtqueue_descriptor);
}

static size_t to_cache_line(size_t bytes) {
    return (bytes + 63) & ~(size_t) 63;
}

// In cache lines of its own, because the device writes there.
static size_t used_offset(uint16_t size) {
    return to_cache_line(available_offset(size) + (AVAILABLE_RING + size + 1u) * sizeof(uint16_t));
}

size_t virtqueue_bytes(uint16_t size) {
    size_t used_size = USED_RING_OFFSET + size * sizeof(struct virtqueue_used_element) + sizeof(uint16_t);
    return to_cache_line(used_offset(size) + used_size);
}

static void place(struct virtqueue *queue, uint8_t *memory, uint64_t address) {
    uint8_t *used = memory + used_offset(queue->size);
    queue->descriptors = (struct virtqueue_descriptor *) (void *) memory;
    queue->available = (_Atomic uint16_t *) (void *) (memory + available_offset(queue->size));
    queue->used = (_Atomic uint16_t *) (void *) used;
    queue->used_ring = (struct virtqueue_used_element *) (void *) (used + USED_RING_OFFSET);
    queue->available_event = (_Atomic uint16_t *) (void *) &queue->used_ring[queue->size];
    queue->descriptors_address = address;
    queue->available_address = address + available_offset(queue->size);
    queue->used_address = address + used_offset(queue->size);
}

status_t virtqueue_begin(struct virtqueue *queue, uint16_t size, void *memory, uint64_t address, bool has_event_index) {
    if (size == 0 || size > VIRTQUEUE_SIZE_MAX || (size & (size - 1)) != 0 || (address & 15) != 0) {
        return ERR_INVALID_ARGUMENT;
    }
    *queue = (struct virtqueue) {.size = size, .has_event_index = has_event_index, .free_count = size};
    place(queue, memory, address);
    for (uint16_t i = 0; i < size; i++) {
        queue->chains[i].next = i + 1;
    }
    return OK;
}

// Each names its successor in the private list, which the free list's order gives.
static struct virtqueue_descriptor descriptor_of(const struct virtqueue_segment *segment, bool is_last, uint16_t next) {
    uint16_t flags = segment->is_for_device_to_write ? DESCRIPTOR_WRITE : 0;
    flags |= is_last ? 0 : DESCRIPTOR_NEXT;
    return (struct virtqueue_descriptor) {segment->address, segment->length, flags, next};
}

status_t virtqueue_add(struct virtqueue *queue, const struct virtqueue_segment *segments, unsigned count, uint32_t token) {
    if (count == 0) {
        return ERR_INVALID_ARGUMENT;
    }
    if (count > queue->free_count) {
        return ERR_FULL;
    }
    uint16_t head = queue->free_head, last = head, next = head;
    uint32_t writable = 0;
    for (unsigned i = 0; i < count; i++) {
        last = next;
        next = queue->chains[last].next;
        queue->descriptors[last] = descriptor_of(&segments[i], i == count - 1, next);
        writable += segments[i].is_for_device_to_write ? segments[i].length : 0;
    }
    queue->free_head = next;
    queue->free_count -= count;
    queue->in_flight++;
    queue->chains[head].writable = writable;
    queue->chains[head].token = token;
    queue->chains[head].count = (uint16_t) count;
    queue->chains[head].last = last;
    uint16_t slot = queue->next_available++ & (queue->size - 1);
    atomic_store_explicit(&queue->available[AVAILABLE_RING + slot], head, memory_order_relaxed);
    return OK;
}

// §2.7.10.1: was `event` passed on the way from `from` to `to`?
static bool is_passed(uint16_t event, uint16_t from, uint16_t to) {
    return (uint16_t) (to - event - 1) < (uint16_t) (to - from);
}

bool virtqueue_publish(struct virtqueue *queue) {
    uint16_t from = queue->published;
    uint16_t to = queue->next_available;
    if (from == to) {
        return false;
    }
    queue->published = to;
    atomic_store_explicit(&queue->available[INDEX], to, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst); // §2.7.13.4.1: before looking whether the device sleeps
    if (queue->has_event_index) {
        return is_passed(atomic_load_explicit(queue->available_event, memory_order_relaxed), from, to);
    }
    return (atomic_load_explicit(&queue->used[FLAGS], memory_order_relaxed) & USED_NO_NOTIFY) == 0;
}

static status_t broken(struct virtqueue *queue, uint64_t *counter) {
    queue->is_broken = true;
    (*counter)++;
    return ERR_IO;
}

// Reads how far the device got.
static status_t look_for_more(struct virtqueue *queue) {
    uint16_t limit = atomic_load_explicit(&queue->used[INDEX], memory_order_acquire);
    uint16_t count = limit - queue->next_used; // right across the wrap
    if (count > queue->in_flight) {
        return broken(queue, &queue->faults.positions);
    }
    queue->used_limit = limit;
    return count != 0 ? OK : ERR_EMPTY;
}

static void free_chain(struct virtqueue *queue, uint16_t head) {
    queue->chains[queue->chains[head].last].next = queue->free_head;
    queue->free_head = head;
    queue->free_count += queue->chains[head].count;
    queue->chains[head].count = 0;
    queue->in_flight--;
}

status_t virtqueue_take(struct virtqueue *queue, struct virtqueue_done *out_done) {
    if (queue->is_broken) {
        return ERR_IO;
    }
    if (queue->next_used == queue->used_limit) {
        TRY(look_for_more(queue));
    }
    struct virtqueue_used_element *element = &queue->used_ring[queue->next_used & (queue->size - 1)];
    uint32_t id = atomic_load_explicit(&element->id, memory_order_relaxed);
    uint32_t length = atomic_load_explicit(&element->length, memory_order_relaxed);
    if (id >= queue->size || queue->chains[id].count == 0) {
        return broken(queue, &queue->faults.ids);
    }
    if (length > queue->chains[id].writable) {
        return broken(queue, &queue->faults.lengths);
    }
    *out_done = (struct virtqueue_done) {queue->chains[id].token, length};
    free_chain(queue, (uint16_t) id);
    queue->next_used++;
    return OK;
}

bool virtqueue_arm(struct virtqueue *queue, uint16_t after) {
    if (queue->has_event_index) {
        uint16_t event = queue->next_used + after - 1;
        atomic_store_explicit(&queue->available[AVAILABLE_RING + queue->size], event, memory_order_relaxed);
    } else {
        atomic_store_explicit(&queue->available[FLAGS], 0, memory_order_relaxed);
    }
    atomic_thread_fence(memory_order_seq_cst); // before looking whether the device got there meanwhile
    uint16_t done = atomic_load_explicit(&queue->used[INDEX], memory_order_relaxed) - queue->next_used;
    return done < after;
}

void virtqueue_disarm(struct virtqueue *queue) {
    if (queue->has_event_index) { // the armed position is behind the device's: it is not passed again for 2^16 chains
        return;
    }
    atomic_store_explicit(&queue->available[FLAGS], AVAILABLE_NO_INTERRUPT, memory_order_relaxed);
}
