// Deadlines: functions that are called once their time has come, unless it was cleared before.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Lies in what it is about. Begins as all zeros.
struct deadline {
    uint64_t at_ns;
    void (*on_due)(struct deadline *deadline);
    size_t position; // in the heap, from 1; 0: not set
};

bool deadlines_begin(size_t capacity); // false: no memory
void deadline_set(struct deadline *deadline, uint64_t at_ns, void (*on_due)(struct deadline *deadline));
void deadline_clear(struct deadline *deadline);
void deadlines_run(uint64_t now_ns);
int deadlines_timeout_ms(uint64_t now_ns); // until the next one, for epoll; -1: there is none
