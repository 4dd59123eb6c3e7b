// Passes a queue's slots around, and checks whatever the other side claims.
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

// The other side can have no more slots than this side gave it: the consumer has taken what was sent at most, and the
// producer sends no further than one round beyond what was taken.
status_t queue_next_slot(struct queue *queue, enum queue_side side, _Atomic uint64_t **out_slot) {
    struct ring_end *end = &queue->in_end;
    if (queue->side != side) {
        return ERR_INVALID_ARGUMENT;
    }
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
