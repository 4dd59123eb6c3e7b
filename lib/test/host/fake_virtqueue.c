// Plays the device on a virtqueue.
#include "fake_virtqueue.h"

#include <stdlib.h>

enum { INDEX = 1, RING = 2, DESCRIPTOR_NEXT = 1, DESCRIPTOR_WRITE = 2 };

void fake_virtqueue_begin(struct fake_virtqueue *fake, struct virtqueue *queue, uint16_t size, uint16_t position,
                          bool has_event_index) {
    free(fake->queue != nullptr ? fake->queue->descriptors : nullptr);
    size_t bytes = virtqueue_bytes(size);
    void *memory = aligned_alloc(64, bytes);
    __builtin_memset(memory, 0, bytes);
    if (virtqueue_begin(queue, size, memory, (uintptr_t) memory, has_event_index) != OK) {
        abort();
    }
    *fake = (struct fake_virtqueue) {queue, position, position};
    queue->next_available = queue->published = queue->next_used = queue->used_limit = position;
    atomic_store(&queue->available[INDEX], position);
    atomic_store(&queue->used[INDEX], position);
}

bool fake_virtqueue_next(struct fake_virtqueue *fake, struct fake_chain *out_chain) {
    const struct virtqueue *queue = fake->queue;
    if (fake->next_available == atomic_load(&queue->available[INDEX])) {
        return false;
    }
    uint16_t at = atomic_load(&queue->available[RING + fake->next_available++ % queue->size]);
    *out_chain = (struct fake_chain) {.id = at};
    for (;;) {
        const struct virtqueue_descriptor *descriptor = &queue->descriptors[at];
        out_chain->segments[out_chain->count++] =
            (struct virtqueue_segment) {descriptor->address, descriptor->length, (descriptor->flags & DESCRIPTOR_WRITE) != 0};
        if ((descriptor->flags & DESCRIPTOR_NEXT) == 0) {
            return true;
        }
        at = descriptor->next;
    }
}

void fake_virtqueue_use(struct fake_virtqueue *fake, uint32_t id, uint32_t length) {
    struct virtqueue_used_element *element = &fake->queue->used_ring[fake->next_used % fake->queue->size];
    atomic_store(&element->id, id);
    atomic_store(&element->length, length);
    fake_virtqueue_claim(fake, fake->next_used + 1);
}

void fake_virtqueue_claim(struct fake_virtqueue *fake, uint16_t used_index) {
    fake->next_used = used_index;
    atomic_store(&fake->queue->used[INDEX], used_index);
}

uint16_t fake_virtqueue_used_event(const struct fake_virtqueue *fake) {
    return atomic_load(&fake->queue->available[RING + fake->queue->size]);
}
