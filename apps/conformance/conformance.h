// What the conformance tests share.
#pragma once

#include <test/component.h>

enum { QUEUE_SIZE = 4096 };
enum : uint32_t { KIND_SEND = 1 << 16 | 1 << 2 | MESSAGE_SEND };

struct pair {
    channel_t a, b;
};
status_t channel_pair(struct pair *out_pair);
void pair_close(struct pair *pair);

// The next event within a second. ERR_STATE: it was another one.
status_t wait_for(poll_t poll, enum event_kind kind, uint64_t key);

void write_message(uint32_t kind, uint16_t length); // into `out`, with a pattern
bool is_message(uint32_t kind, uint16_t length);    // whether that is in `in`
