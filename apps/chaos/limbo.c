// Lets a folio end while it is delivered in a message, and while a thread waits for one of its pages.
#include "chaos.h"

enum { STACK_SIZE = 8 * PAGE_SIZE, FOLIO_SIZE = 4 * PAGE_SIZE, QUEUE_SIZE = 4096 };
enum : uint32_t { KIND = 0x7ff00000 | MESSAGE_SEND };

static uint64_t folio_at;
static poll_t poll;

[[noreturn]] static void touch_page(uint64_t, struct thread_buffer *) {
    // Not its first page, where the next thread's message buffer will be.
    (void) *(volatile uint8_t *) (uintptr_t) (folio_at + 2 * PAGE_SIZE);
    thread_exit();
}

[[noreturn]] static void wait_for_message(uint64_t, struct thread_buffer *) {
    (void) poll_wait(poll, DEADLINE_NEVER);
    thread_exit();
}

static status_t start_thread(void (*entry)(uint64_t, struct thread_buffer *)) {
    thread_t thread;
    TRY(thread_create((uint64_t) entry, STACK_SIZE, 0, &thread));
    nsec_t until = clock_ns() + 20 * NSEC_PER_MSEC;
    while (clock_ns() < until) { // it runs, and waits
    }
    return handle_close(thread.handle);
}

static status_t send_away(folio_t folio, channel_t channel) {
    struct message *out = message_out();
    out->header = (struct message_header) {.kind = KIND, .handle_count = 1, .handles = {folio.handle}};
    return channel_send(channel);
}

static status_t end_a_folio_in_a_message(void) {
    uint64_t handles, ends;
    poll_t filler;
    TRY(pager_create(FOLIO_SIZE, PAGER_PATIENCE_MAX, &handles));
    folio_t folio = {(handle_t) (handles >> 32)};
    TRY(vmspace_map(folio, 0, FOLIO_SIZE, MAP_READ | MAP_MAY_FAULT, &folio_at));
    TRY(start_thread(touch_page));
    TRY(vmspace_unmap(folio_at));
    TRY(channel_create(QUEUE_SIZE, &ends));
    TRY(send_away(folio, (channel_t) {(handle_t) ends}));
    TRY(poll_create(&poll));
    TRY(start_thread(wait_for_message));
    while (poll_create(&filler) == OK) { // no handle is left for the message's
    }
    return poll_add(poll, (handle_t) (ends >> 32), 0);
}

int act_limbo(void) {
    status_t status = end_a_folio_in_a_message();
    nsec_t until = clock_ns() + NSEC_PER_SEC;
    while (clock_ns() < until) { // meanwhile the thread touches what is mapped no longer
    }
    log_error("not ended: %s", status_name(status));
    return 0;
}
