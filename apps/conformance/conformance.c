// conformance: tests what the kernel promises to a component, the same in every isolation mode.
#include "conformance.h"

status_t wait_for(poll_t poll, enum event_kind kind, uint64_t key) {
    uint64_t now;
    TRY(clock_now(&now));
    TRY(poll_wait(poll, now + NSEC_PER_SEC));
    const struct event *event = &thread_buffer->event;
    return event->kind == kind && event->key == key ? OK : ERR_STATE;
}

status_t channel_pair(struct pair *out_pair) {
    uint64_t ends;
    TRY(channel_create(QUEUE_SIZE, &ends));
    *out_pair = (struct pair) {{(handle_t) ends}, {(handle_t) (ends >> 32)}};
    return OK;
}

void pair_close(struct pair *pair) {
    (void) handle_close(pair->a.handle);
    (void) handle_close(pair->b.handle);
}

struct process_info used(void) {
    struct process_info info = {};
    (void) process_info((process_t) {HANDLE_INVALID}, &info);
    return info;
}

status_t map(folio_t folio, uint64_t size, uint32_t flags, uint64_t *out_address) {
    return vmspace_map(folio, 0, size, flags, out_address);
}

status_t start_thread(void (*entry)(uint64_t, struct thread_buffer *), uint64_t argument) {
    thread_t thread;
    TRY(thread_create((uint64_t) entry, 4 * PAGE_SIZE, argument, &thread));
    return handle_close(thread.handle);
}

bool comes_to(const _Atomic uint64_t *value, uint64_t expected) {
    nsec_t deadline = clock_ns() + 20 * NSEC_PER_SEC;
    while (*value != expected && clock_ns() < deadline) {
    }
    return *value == expected;
}

void write_message(uint32_t kind, uint16_t length) {
    struct message *out = message_out();
    wire_write(out, kind);
    for (uint16_t i = 0; i < length; i++) {
        out->data[i] = (uint8_t) (i + kind);
    }
    out->header.length = length;
}

bool is_message(uint32_t kind, uint16_t length) {
    const struct message *in = &thread_buffer->in;
    for (uint16_t i = 0; i < length; i++) {
        if (in->data[i] != (uint8_t) (i + kind)) {
            return false;
        }
    }
    return in->header.kind == kind && in->header.length == length;
}

COMPONENT(conformance, .start = tests_start);
