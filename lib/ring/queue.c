// Moves messages through a queue's slots, and checks whatever the other side claims.
#include <ring/queue.h>

void queue_reset(struct queue_memory *memory, uint32_t start) {
    ring_reset(&memory->sent, start);
    ring_reset(&memory->taken, start);
}

// The producer begins one round ahead of what was taken: with every slot empty.
void queue_begin(struct queue *queue, struct queue_memory *memory, enum queue_side side, uint32_t length, uint32_t start) {
    bool produces = side == QUEUE_PRODUCER;
    uint32_t first_in = produces ? start - length : start;
    *queue = (struct queue) {
        .memory = memory,
        .side = side,
        .mask = length - 1,
        .ahead = produces ? 0 : length,
        .in = produces ? &memory->taken : &memory->sent,
        .out = produces ? &memory->sent : &memory->taken,
        .in_end = {first_in, first_in},
        .out_end = {start, start},
    };
}

// The slot that comes next to this side. The other side can have no more of them than this side gave it: the consumer has
// taken what was sent at most, and the producer sends no further than one round beyond what was taken.
static status_t next_slot(struct queue *queue, _Atomic uint64_t **out_slot) {
    struct ring_end *end = &queue->in_end;
    if (end->position == end->limit) {
        status_t status = ring_look(queue->in, end, queue->out_end.limit + queue->ahead - end->position);
        queue->faults += status == ERR_MALFORMED;
        TRY(status);
    }
    *out_slot = queue->memory->slots[end->position & queue->mask];
    end->position++;
    queue->out_end.position++;
    return OK;
}

status_t queue_put_whole(struct queue *queue, const struct queue_message *message) {
    if (queue->side != QUEUE_PRODUCER) {
        return ERR_INVALID_ARGUMENT;
    }
    _Atomic uint64_t *slot;
    status_t status = next_slot(queue, &slot);
    if (status != OK) {
        return status == ERR_EMPTY ? ERR_FULL : status;
    }
    for (unsigned i = 0; i < QUEUE_WORDS; i++) {
        atomic_store_explicit(&slot[i], message->words[i], memory_order_relaxed);
    }
    return OK;
}

status_t queue_take_whole(struct queue *queue, struct queue_message *out_message) {
    if (queue->side != QUEUE_CONSUMER) {
        return ERR_INVALID_ARGUMENT;
    }
    _Atomic uint64_t *slot;
    TRY(next_slot(queue, &slot));
    for (unsigned i = 0; i < QUEUE_WORDS; i++) {
        out_message->words[i] = atomic_load_explicit(&slot[i], memory_order_relaxed);
    }
    return OK;
}
