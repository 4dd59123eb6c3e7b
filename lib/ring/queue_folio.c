// A queue in a folio that both sides map.
#include <ring/queue.h>
#include <starina/syscalls.h>

static bool is_length(uint32_t length) {
    return length != 0 && length <= QUEUE_LENGTH_MAX && (length & (length - 1)) == 0;
}

static status_t map_queue(folio_t folio, uint32_t length, struct queue_memory **out_memory) {
    uint64_t address;
    TRY(vmspace_map(folio, 0, queue_size(length), MAP_READ | MAP_WRITE, &address));
    *out_memory = (struct queue_memory *) (uintptr_t) address;
    return OK;
}

status_t queue_create(struct queue *queue, enum queue_side side, uint32_t length, folio_t *out_folio) {
    struct queue_memory *memory;
    folio_t folio;
    if (!is_length(length)) {
        return ERR_INVALID_ARGUMENT;
    }
    TRY(folio_create(queue_size(length), 0, &folio));
    status_t status = map_queue(folio, length, &memory);
    if (status != OK) {
        (void) handle_close(folio.handle);
        return status;
    }
    queue_reset(memory, 0);
    queue_begin(queue, memory, side, length, 0);
    *out_folio = folio;
    return OK;
}

status_t queue_join(struct queue *queue, enum queue_side side, uint32_t length, folio_t folio) {
    struct queue_memory *memory;
    uint64_t size;
    if (!is_length(length)) {
        return ERR_INVALID_ARGUMENT;
    }
    TRY(folio_info(folio, &size));
    if (size < queue_size(length)) {
        return ERR_MALFORMED;
    }
    TRY(map_queue(folio, length, &memory));
    queue_begin(queue, memory, side, length, 0);
    return OK;
}

void queue_close(struct queue *queue) {
    if (queue->memory != nullptr) {
        (void) vmspace_unmap((uintptr_t) queue->memory);
    }
    *queue = (struct queue) {};
}
