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

// What the component has used by now.
struct process_info used(void);

static inline volatile uint64_t *word_at(uint64_t address) {
    return (volatile uint64_t *) (uintptr_t) address;
}

status_t map(folio_t folio, uint64_t size, uint32_t flags, uint64_t *out_address); // from its beginning

status_t start_thread(void (*entry)(uint64_t, struct thread_buffer *), uint64_t argument);
bool comes_to(const _Atomic uint64_t *value, uint64_t expected); // within 20 seconds

void write_message(uint32_t kind, uint16_t length); // into `out`, with a pattern
bool is_message(uint32_t kind, uint16_t length);    // whether that is in `in`
