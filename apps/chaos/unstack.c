// Takes the stack that a thread has chosen away while it waits, and calls it.
#include "chaos.h"

enum : uint64_t { STACK_SIZE = 4 * PAGE_SIZE, QUEUE_SIZE = 4096 };
enum : uint32_t { KIND = 0x7ff00000 | MESSAGE_CALL };
enum : nsec_t { UNTIL_IT_WAITS_NS = 20 * NSEC_PER_MSEC, PATIENCE_NS = NSEC_PER_SEC };

static poll_t poll;
static uint64_t stack;

static bool answer(uint64_t) {
    return true;
}

[[noreturn]] static void wait_on_it(void) {
    (void) poll_wait(poll, DEADLINE_NEVER);
    thread_exit();
}

[[noreturn]] static void go_to_stack(uint64_t, struct thread_buffer *) {
    __asm__ volatile("movq %0, %%rsp\n\tcallq *%1" ::"r"(stack + STACK_SIZE), "r"(wait_on_it) : "memory");
    __builtin_unreachable();
}

static status_t call_without_stack(void) {
    uint64_t ends;
    folio_t folio;
    thread_t thread;
    TRY(folio_create(STACK_SIZE, 0, &folio));
    TRY(vmspace_map(folio, 0, STACK_SIZE, MAP_READ | MAP_WRITE, &stack));
    TRY(poll_create(&poll));
    TRY(poll_set_upcall(poll, (uint64_t) answer));
    TRY(channel_create(QUEUE_SIZE, &ends));
    TRY(poll_add(poll, (handle_t) (ends >> 32), 0));
    TRY(thread_create((uint64_t) go_to_stack, STACK_SIZE, 0, &thread));
    nsec_t until = clock_ns() + UNTIL_IT_WAITS_NS;
    while (clock_ns() < until) {
    }
    TRY(vmspace_unmap(stack));
    message_out()->header = (struct message_header) {.kind = KIND};
    return channel_call((channel_t) {(handle_t) ends}, clock_ns() + PATIENCE_NS);
}

int act_unstack(void) {
    log_error("called without a stack: %s", status_name(call_without_stack()));
    return 0;
}
