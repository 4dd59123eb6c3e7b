// The fast paths of sending, calling and waiting: messages without handles go from buffer to buffer where a thread waits
// for them, through the queue where none does, and the CPU goes straight to the thread that was given something.
//
// Entry code comes here first. Whatever is unusual is found out before anything is changed, and left to the system call's
// own function in channel.c and poll.c, which says what each step means.
#include "channel.h"
#include "memory.h"
#include "process.h"
#include "scheduler.h"
#include "syscall.h"

// It returns only if it does not switch. The callee-saved registers are in the thread already (entry.S). Arguments are
// whole registers; stray upper bits match no handle.
#define FAST [[clang::preserve_none]] struct syscall_result
#define UNUSED uint64_t, uint64_t, uint64_t, uint64_t // registers that have no arguments

#define INLINE [[gnu::always_inline]] static inline
#define UNLIKELY(condition) __builtin_expect((condition), 0) // else conditions are computed together, which costs more

static constexpr struct syscall_result done = {OK, 0};

// --- Data ---

// What lies behind a message's end is neither read nor written.
INLINE void copy_data(uint8_t *restrict to, const uint8_t *restrict from, uint64_t length) {
    switch (length) {
    case 64:
        arch_copy_16_in_call(to + 48, from + 48);
        [[fallthrough]];
    case 48:
        arch_copy_16_in_call(to + 32, from + 32);
        [[fallthrough]];
    case 32:
        arch_copy_16_in_call(to + 16, from + 16);
        [[fallthrough]];
    case 16:
        arch_copy_16_in_call(to, from);
        [[fallthrough]];
    case 0:
        break;
    default:
        memcpy(to, from, length);
    }
}

// The length is at bits 32 to 47, the number of handles above.
INLINE uint64_t length_of(struct header_words words) {
    return words.status_and_counts >> 32 & 0xffff;
}

INLINE bool has_no_handles(struct header_words words) {
    return words.status_and_counts < (uint64_t) (MESSAGE_DATA_MAX + 1) << 32;
}

INLINE bool is_of_kernel(struct header_words words) {
    return (int64_t) words.kind_and_transaction < 0; // TRANSACTION_KERNEL
}

// --- Whom a message is for ---

INLINE struct channel *channel_at(const struct process *process, uint64_t handle) {
    return (struct channel *) handle_peek(&process->handles, handle, OBJECT_CHANNEL, RIGHT_WRITE);
}

INLINE struct poll *poll_at(const struct process *process, uint64_t handle) {
    return (struct poll *) handle_peek(&process->handles, handle, OBJECT_POLL, RIGHT_WAIT);
}

// The thread that waits in channel_call for this reply; nullptr: none
INLINE struct thread *caller_of(const struct channel *peer, struct header_words words) {
    bool is_awaited = words.kind_and_transaction == ((const struct header_words *) &peer->awaited)->kind_and_transaction;
    return is_awaited ? peer->caller : nullptr;
}

// One that waits for the channel's messages in poll_wait; nullptr: none
INLINE struct thread *waiter_of(const struct channel *peer) {
    const struct poll *poll = peer->watch.open_poll;
    return poll != nullptr ? poll->waiters : nullptr;
}

INLINE struct thread *receiver_of(const struct channel *peer, struct header_words words) {
    return is_of_kernel(words) ? caller_of(peer, words) : waiter_of(peer);
}

// --- Passing it on ---

INLINE void count_sent(struct process *sender, uint64_t length) {
    sender->messages_sent++;
    sender->copied_bytes += length;
}

// Ends the wait of the one that the message is for. Returns where the message goes.
INLINE struct message *take_caller(struct channel *peer, struct thread *caller) {
    peer->caller = nullptr;
    caller->call_channel = nullptr;
    return &caller->buffer->reply;
}

INLINE struct message *take_waiter(struct channel *peer, struct thread *waiter) {
    peer->watch.open_poll->waiters = waiter->next_waiter;
    waiter->wait_poll = nullptr;
    struct thread_buffer *buffer = waiter->buffer;
    buffer->event.key = peer->watch.key;
    buffer->event.kind = EVENT_MESSAGE;
    return &buffer->in;
}

INLINE struct message *take_receiver(struct channel *peer, struct thread *to, struct header_words words) {
    return is_of_kernel(words) ? take_caller(peer, to) : take_waiter(peer, to);
}

// Seldom, and without a price for the others: it keeps their registers.
[[clang::preserve_most, gnu::noinline]] static void end_timeout(struct thread *thread) {
    timeout_stop(&thread->timeout);
}

INLINE void pass(struct process *sender, const struct message *out, struct thread *to, struct message *into,
                 struct header_words words) {
    count_sent(sender, length_of(words));
    to->process->messages_received++;
    if (to->timeout.heap != nullptr) {
        end_timeout(to);
    }
    *(struct header_words *) &into->header = words;
    copy_data(into->data, out->data, length_of(words));
}

// --- The queue ---

// Where `size` bytes lie in one piece from a position on; nullptr: they go around the end
INLINE uint8_t *queue_at(const struct channel *channel, uint32_t position, uint64_t size) {
    uint32_t offset = position & (channel->capacity - 1);
    return offset + size <= channel->capacity ? channel->queue + offset : nullptr;
}

INLINE bool enqueue(struct process *sender, const struct message *out, struct channel *peer, struct header_words words) {
    uint64_t length = length_of(words), size = sizeof(words) + length;
    uint8_t *entry = queue_at(peer, peer->tail, size);
    size = (size + 7) & ~7ull;
    if (entry == nullptr || size > peer->capacity - (peer->tail - peer->head)) {
        return false;
    }
    peer->tail += (uint32_t) size;
    count_sent(sender, length);
    struct poll *poll = peer->watch.open_poll;
    if (poll != nullptr && list_is_empty(&peer->watch.ready_node)) {
        list_push_back(&poll->ready, &peer->watch.ready_node);
    }
    *(struct header_words *) entry = words;
    copy_data(entry + sizeof(words), out->data, length); // last: its call needs no register kept
    return true;
}

// Takes a message from the channel whose turn it is.
INLINE bool dequeue(struct thread *to, struct poll *poll) {
    struct watch *watch = LIST_CONTAINER(poll->ready.next, struct watch, ready_node);
    struct channel *channel = (struct channel *) watch->source;
    if (channel->object.type != OBJECT_CHANNEL || watch->open_poll == nullptr || channel->is_writable_again ||
        channel->needed != 0 || channel->head == channel->tail) {
        return false;
    }
    const uint8_t *entry = queue_at(channel, channel->head, sizeof(struct header_words));
    struct header_words words = entry != nullptr ? *(const struct header_words *) entry : (struct header_words) {};
    uint64_t length = length_of(words), size = sizeof(words) + length;
    if (entry == nullptr || !has_no_handles(words) || queue_at(channel, channel->head, size) == nullptr) {
        return false;
    }
    struct thread_buffer *buffer = to->buffer;
    buffer->event.key = watch->key;
    buffer->event.kind = EVENT_MESSAGE;
    *(struct header_words *) &buffer->in.header = words;
    copy_data(buffer->in.data, entry + sizeof(words), length);
    channel->head += (uint32_t) ((size + 7) & ~7ull);
    to->process->messages_received++;
    to->process->copied_bytes += length;
    list_remove(&watch->ready_node);
    if (channel->head != channel->tail || channel->peer == nullptr) {
        list_push_back(&poll->ready, &watch->ready_node); // behind the others
    }
    return true;
}

// --- System calls ---

// Both are jumped to, and copy last: no register has to be kept for anybody.
[[gnu::noinline]] static struct syscall_result send_to_waiting(uint64_t handle, struct channel *peer, struct header_words words,
                                                               struct thread *thread) {
    struct thread *to = receiver_of(peer, words);
    if (to == nullptr || !scheduler_may_queue(to)) {
        return enter_channel_send(handle, 0, 0, 0, 0, thread);
    }
    struct message *into = take_receiver(peer, to, words);
    arch_set_result(&to->arch, OK, 0);
    scheduler_queue(to);
    pass(thread->process, &thread->buffer->out, to, into, words);
    return done;
}

[[gnu::noinline]] static struct syscall_result send_to_queue(uint64_t handle, struct channel *peer, struct header_words words,
                                                             struct thread *thread) {
    return enqueue(thread->process, &thread->buffer->out, peer, words) ? done : enter_channel_send(handle, 0, 0, 0, 0, thread);
}

struct syscall_result enter_fast_channel_send(uint64_t handle, uint64_t, uint64_t, uint64_t, uint64_t, struct thread *thread) {
    struct process *process = thread->process;
    struct channel *channel = channel_at(process, handle);
    const struct message *out = &thread->buffer->out;
    struct header_words words = header_read(out);
    if (UNLIKELY(channel == nullptr) || UNLIKELY(channel->peer == nullptr) || UNLIKELY(!has_no_handles(words))) {
        return enter_channel_send(handle, 0, 0, 0, 0, thread);
    }
    const struct poll *poll = channel->peer->watch.open_poll;
    if (!is_of_kernel(words) && (poll == nullptr || poll->waiters == nullptr)) {
        return send_to_queue(handle, channel->peer, words, thread);
    }
    return send_to_waiting(handle, channel->peer, words, thread);
}

// --- Calls and replies that are not that simple, and still switch at once ---

static bool is_handle(uint64_t value) {
    return value <= UINT32_MAX;
}

// A thread that this one woke goes on in its place, or later.
static void let_go_on(struct thread *thread, struct thread *woken, nsec_t deadline) {
    if (woken != nullptr && scheduler_may_switch_to(woken)) {
        scheduler_switch(thread, woken, deadline);
    }
    thread_block(thread, deadline);
    if (woken != nullptr) {
        scheduler_make_ready(woken);
    }
}

[[gnu::noinline]] static struct syscall_result call(struct thread *thread, uint64_t handle, nsec_t deadline) {
    struct thread *woken;
    status_t status = is_handle(handle) ? channel_begin_call(thread, (handle_t) handle, &woken) : ERR_BAD_HANDLE;
    if (status != OK) {
        return (struct syscall_result) {status, 0};
    }
    let_go_on(thread, woken, deadline);
    return (struct syscall_result) {STATUS_BLOCKED, 0};
}

[[gnu::noinline]] static struct syscall_result reply_and_wait(struct thread *thread, uint64_t handle, uint64_t poll_handle,
                                                              nsec_t deadline) {
    struct thread *woken;
    struct poll *poll;
    status_t status = ERR_BAD_HANDLE;
    if (is_handle(handle) && is_handle(poll_handle)) {
        status = channel_reply(thread, (handle_t) handle, (handle_t) poll_handle, &poll, &woken);
    }
    if (status == OK && woken != nullptr && list_is_empty(&poll->ready) && deadline != 0) {
        poll_add_waiter(poll, thread);
        let_go_on(thread, woken, deadline);
        return (struct syscall_result) {STATUS_BLOCKED, 0};
    }
    if (status == OK) {
        status = poll_take(poll, thread, deadline);
        if (woken != nullptr) {
            scheduler_make_ready(woken);
        }
    }
    return (struct syscall_result) {status, 0};
}

// --- System calls that switch ---

FAST fast_channel_call(UNUSED, uint64_t handle, uint64_t deadline, uint64_t, uint64_t, uint64_t, struct thread *thread) {
    struct process *process = thread->process;
    struct channel *channel = channel_at(process, handle);
    const struct message *out = &thread->buffer->out;
    struct header_words words = header_read(out);
    if (UNLIKELY(channel == nullptr) || UNLIKELY(channel->caller != nullptr) || UNLIKELY(channel->peer == nullptr) ||
        UNLIKELY(!has_no_handles(words))) {
        return call(thread, handle, deadline);
    }
    struct channel *peer = channel->peer;
    struct thread *waiter = waiter_of(peer);
    if (UNLIKELY(waiter == nullptr) || UNLIKELY(!scheduler_may_switch_to(waiter))) {
        return call(thread, handle, deadline);
    }
    channel->caller = thread;
    thread->call_channel = channel;
    uint32_t kind = (uint32_t) words.kind_and_transaction & ~MESSAGE_CLASS_MASK; // MESSAGE_CALL
    uint32_t transaction = (channel->awaited.transaction + 1) | TRANSACTION_KERNEL;
    channel->awaited = (struct reply_name) {kind | MESSAGE_REPLY, transaction};
    words.kind_and_transaction = kind | (uint64_t) transaction << 32;
    pass(process, out, waiter, take_waiter(peer, waiter), words);
    scheduler_switch_ok(thread, waiter, deadline);
}

FAST fast_channel_reply_wait(UNUSED, uint64_t handle, uint64_t poll_handle, uint64_t deadline, uint64_t, uint64_t,
                             struct thread *thread) {
    struct process *process = thread->process;
    struct channel *channel = channel_at(process, handle);
    struct poll *poll = poll_at(process, poll_handle);
    const struct message *out = &thread->buffer->out;
    struct header_words words = header_read(out);
    if (UNLIKELY(channel == nullptr) || UNLIKELY(poll == nullptr) || UNLIKELY(channel->peer == nullptr) ||
        UNLIKELY(!has_no_handles(words))) {
        return reply_and_wait(thread, handle, poll_handle, deadline);
    }
    struct channel *peer = channel->peer;
    struct thread *to = receiver_of(peer, words);
    if (UNLIKELY(to == nullptr) || UNLIKELY(!list_is_empty(&poll->ready)) || UNLIKELY(deadline == 0) ||
        UNLIKELY(!scheduler_may_switch_to(to))) {
        return reply_and_wait(thread, handle, poll_handle, deadline);
    }
    pass(process, out, to, take_receiver(peer, to, words), words);
    poll_add_waiter(poll, thread);
    scheduler_switch_ok(thread, to, deadline);
}

FAST fast_poll_wait(UNUSED, uint64_t handle, uint64_t deadline, uint64_t, uint64_t, uint64_t, struct thread *thread) {
    const struct process *process = thread->process;
    struct poll *poll = poll_at(process, handle);
    if (poll == nullptr) {
        return enter_poll_wait(handle, deadline, 0, 0, 0, thread);
    }
    if (!list_is_empty(&poll->ready)) {
        return dequeue(thread, poll) ? done : enter_poll_wait(handle, deadline, 0, 0, 0, thread);
    }
    struct thread *next = scheduler_next();
    if (next == nullptr || deadline == 0) {
        return enter_poll_wait(handle, deadline, 0, 0, 0, thread);
    }
    poll_add_waiter(poll, thread);
    scheduler_take(next);
    scheduler_switch(thread, next, deadline);
}
