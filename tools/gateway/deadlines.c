// Keeps deadlines in a binary heap of fixed size. Trusts its callers to set no more than they announced.
#include "deadlines.h"

#include "clock.h"

#include <limits.h>
#include <stdlib.h>

static struct deadline **heap; // from 1; the earliest is the first
static size_t heap_count, heap_capacity;

bool deadlines_begin(size_t capacity) {
    heap = calloc(capacity + 1, sizeof(*heap));
    heap_capacity = capacity;
    heap_count = 0;
    return heap != nullptr;
}

static void place(struct deadline *deadline, size_t position) {
    heap[position] = deadline;
    deadline->position = position;
}

static void move_up(struct deadline *deadline, size_t position) {
    while (position > 1 && heap[position / 2]->at_ns > deadline->at_ns) {
        place(heap[position / 2], position);
        position /= 2;
    }
    place(deadline, position);
}

static void move_down(struct deadline *deadline, size_t position) {
    for (size_t child = position * 2; child <= heap_count; child = position * 2) {
        if (child < heap_count && heap[child + 1]->at_ns < heap[child]->at_ns) {
            child++;
        }
        if (heap[child]->at_ns >= deadline->at_ns) {
            break;
        }
        place(heap[child], position);
        position = child;
    }
    place(deadline, position);
}

void deadline_set(struct deadline *deadline, uint64_t at_ns, void (*on_due)(struct deadline *deadline)) {
    deadline_clear(deadline);
    deadline->at_ns = at_ns;
    deadline->on_due = on_due;
    if (heap_count == heap_capacity) {
        abort();
    }
    move_up(deadline, ++heap_count);
}

void deadline_clear(struct deadline *deadline) {
    size_t position = deadline->position;
    if (position == 0) {
        return;
    }
    deadline->position = 0;
    struct deadline *last = heap[heap_count--];
    if (last == deadline) {
        return;
    }
    if (position > 1 && heap[position / 2]->at_ns > last->at_ns) {
        move_up(last, position);
    } else {
        move_down(last, position);
    }
}

void deadlines_run(uint64_t now_ns) {
    while (heap_count > 0 && heap[1]->at_ns <= now_ns) {
        struct deadline *due = heap[1];
        deadline_clear(due);
        due->on_due(due);
    }
}

int deadlines_timeout_ms(uint64_t now_ns) {
    if (heap_count == 0) {
        return -1;
    }
    if (heap[1]->at_ns <= now_ns) {
        return 0;
    }
    uint64_t timeout_ms = (heap[1]->at_ns - now_ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
    return timeout_ms < INT_MAX ? (int) timeout_ms : INT_MAX;
}
