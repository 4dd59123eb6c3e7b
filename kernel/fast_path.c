// The fast path of channel_call and channel_reply_wait: a message without handles whose receiver waits for it goes from
// buffer to buffer, and the CPU to the receiver, with the rest of the time slice. No queue, no run queue, no lists.
//
// Entry code comes here first, with the callee-saved registers in the thread already (entry.S). Whatever is unusual is
// found out before anything is changed, and left to the system call's own function.
#include "channel.h"
#include "memory.h"
#include "process.h"
#include "scheduler.h"
#include "syscall.h"

// Arguments are whole registers, of which stray upper bits match no handle. It returns only if it does not switch.
#define FAST [[clang::preserve_none]] struct syscall_result

#define INLINE [[gnu::always_inline]] static inline

// What lies behind a message's end is neither read nor written.
INLINE void copy_data(uint8_t *restrict to, const uint8_t *restrict from, uint64_t length) {
    struct [[gnu::may_alias]] part {
        uint64_t words[2];
    } *target = (struct part *) to;
    const struct part *source = (const struct part *) from;
    if (length % sizeof(*source) != 0 || length > 4 * sizeof(*source)) {
        memcpy(to, from, length);
        return;
    }
    switch (length / sizeof(*source)) {
    case 4:
        target[3] = source[3];
        [[fallthrough]];
    case 3:
        target[2] = source[2];
        [[fallthrough]];
    case 2:
        target[1] = source[1];
        [[fallthrough]];
    case 1:
        target[0] = source[0];
    }
}

// The length is at bits 32 to 47, the number of handles above.
INLINE bool has_no_handles(struct header_words words) {
    return words.status_and_counts >> 32 <= MESSAGE_DATA_MAX;
}

INLINE void pass(struct thread *from, struct thread *to, struct message *into, struct header_words words) {
    uint64_t length = words.status_and_counts >> 32;
    *(struct header_words *) &into->header = words;
    copy_data(into->data, from->buffer->out.data, length);
    from->process->messages_sent++;
    from->process->copied_bytes += length;
    to->process->messages_received++;
    arch_set_result(&to->arch, OK, 0);
}

FAST fast_channel_call(uint64_t handle, uint64_t deadline) {
    struct thread *thread = arch_cpu_current();
    struct channel *channel = (struct channel *) handle_peek(&thread->process->handles, handle, OBJECT_CHANNEL, RIGHT_WRITE);
    struct header_words words = header_read(thread);
    if (channel == nullptr || channel->caller != nullptr || channel->peer == nullptr || !has_no_handles(words)) {
        return enter_channel_call(handle, deadline, 0, 0, 0, 0);
    }
    struct channel *peer = channel->peer;
    struct poll *poll = peer->watch.open_poll;
    struct thread *waiter = poll != nullptr ? poll->waiters : nullptr;
    if (waiter == nullptr || waiter->timeout.heap != nullptr || !scheduler_may_switch_to(waiter)) {
        return enter_channel_call(handle, deadline, 0, 0, 0, 0);
    }
    channel->caller = thread;
    channel->call_transaction = (channel->call_transaction + 1) | TRANSACTION_KERNEL;
    thread->call_channel = channel;
    poll->waiters = waiter->next_waiter;
    waiter->wait_poll = nullptr;
    struct thread_buffer *buffer = waiter->buffer;
    buffer->event.key = peer->watch.key;
    buffer->event.kind = EVENT_MESSAGE;
    uint32_t kind = (uint32_t) words.kind_and_transaction & ~MESSAGE_CLASS_MASK; // MESSAGE_CALL
    words.kind_and_transaction = kind | (uint64_t) channel->call_transaction << 32;
    pass(thread, waiter, &buffer->in, words);
    scheduler_switch(thread, waiter, deadline);
}

FAST fast_channel_reply_wait(uint64_t handle, uint64_t poll_handle, uint64_t deadline) {
    struct thread *thread = arch_cpu_current();
    const struct handle_table *handles = &thread->process->handles;
    struct channel *channel = (struct channel *) handle_peek(handles, handle, OBJECT_CHANNEL, RIGHT_WRITE);
    struct poll *poll = (struct poll *) handle_peek(handles, poll_handle, OBJECT_POLL, RIGHT_WAIT);
    struct header_words words = header_read(thread);
    if (channel == nullptr || poll == nullptr || channel->peer == nullptr || !has_no_handles(words)) {
        return enter_channel_reply_wait(handle, poll_handle, deadline, 0, 0, 0);
    }
    struct channel *peer = channel->peer;
    struct thread *caller = peer->caller;
    bool is_reply = (words.kind_and_transaction & MESSAGE_CLASS_MASK) == MESSAGE_REPLY;
    if (caller == nullptr || words.kind_and_transaction >> 32 != peer->call_transaction || !is_reply ||
        caller->timeout.heap != nullptr || !list_is_empty(&poll->ready) || !scheduler_may_switch_to(caller)) {
        return enter_channel_reply_wait(handle, poll_handle, deadline, 0, 0, 0);
    }
    peer->caller = nullptr;
    caller->call_channel = nullptr;
    pass(thread, caller, &caller->buffer->reply, words);
    poll_add_waiter(poll, thread);
    scheduler_switch(thread, caller, deadline);
}
