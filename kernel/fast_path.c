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

// It returns only if it does not switch. No registers are to be kept (entry.S). Arguments are whole registers; stray upper
// bits match no handle.
#define FAST [[clang::preserve_none]] struct syscall_result
#define UNUSED uint64_t, uint64_t, uint64_t, uint64_t, uint64_t // registers between the arguments and the thread

#define INLINE [[gnu::always_inline]] static inline
#define UNLIKELY(condition) __builtin_expect((condition), 0) // else conditions are computed together, which costs more

static constexpr struct syscall_result done = {OK, 0};

// --- Data ---

// How data of a length is copied.
enum copy : uint8_t { COPY_0, COPY_16, COPY_32, COPY_48, COPY_64, COPY_OTHER };
static const enum copy copies[MESSAGE_DATA_MAX + 1] = {
    [0] = COPY_0,   [1 ... 15] = COPY_OTHER,
    [16] = COPY_16, [17 ... 31] = COPY_OTHER,
    [32] = COPY_32, [33 ... 47] = COPY_OTHER,
    [48] = COPY_48, [49 ... 63] = COPY_OTHER,
    [64] = COPY_64, [65 ... MESSAGE_DATA_MAX] = COPY_OTHER,
};

// What lies behind a message's end is neither read nor written. The length was checked.
INLINE void copy_data(uint8_t *restrict to, const uint8_t *restrict from, uint64_t length) {
    switch (copies[length]) {
    case COPY_64:
        arch_copy_16_in_call(to + 48, from + 48);
        [[fallthrough]];
    case COPY_48:
        arch_copy_16_in_call(to + 32, from + 32);
        [[fallthrough]];
    case COPY_32:
        arch_copy_16_in_call(to + 16, from + 16);
        [[fallthrough]];
    case COPY_16:
        arch_copy_16_in_call(to, from);
        [[fallthrough]];
    case COPY_0:
        break;
    case COPY_OTHER:
        memcpy(to, from, length);
        break;
    default:
        __builtin_unreachable();
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

// They may be all zero, which no system call goes on with: a channel without a peer, a poll whose list has no first one.
static_assert(sizeof(struct channel) <= HANDLE_NOTHING_SIZE && sizeof(struct poll) <= HANDLE_NOTHING_SIZE);

INLINE struct channel *channel_at(struct process *process, struct handle_hint *hint, uint64_t handle) {
    return (struct channel *) handle_peek_again(&process->handles, hint, handle, OBJECT_CHANNEL, RIGHT_WRITE);
}

INLINE struct poll *poll_at(struct process *process, uint64_t handle) {
    return (struct poll *) handle_peek_again(&process->handles, &process->handles.waited, handle, OBJECT_POLL, RIGHT_WAIT);
}

// Is it the reply to the latest call? Its caller may wait no longer.
INLINE bool is_awaited(const struct channel *peer, struct header_words words) {
    return words.kind_and_transaction == ((const struct header_words *) &peer->awaited)->kind_and_transaction;
}

// One that waits in poll_wait for what is sent here, where there is a peer; nullptr: none
INLINE struct thread *waiter_of(const struct channel *channel) {
    return channel->receiver->waiters;
}

// --- Passing it on ---

INLINE void count_sent(struct thread *sender, uint64_t length) {
    sender->counts.messages_sent++;
    sender->counts.copied_bytes += length;
}

// Ends the wait of the one that the message is for. Returns where the message goes.
INLINE struct message *take_caller(struct channel *peer, struct thread *caller) {
    peer->caller = nullptr;
    caller->call_channel = nullptr;
    return &caller->buffer->reply;
}

INLINE struct message *take_waiter(const struct channel *channel, struct thread *waiter) {
    const struct channel *peer = channel->peer;
    channel->receiver->waiters = waiter->next_waiter;
    waiter->wait_poll = nullptr;
    struct thread_buffer *buffer = waiter->buffer;
    buffer->event.key = peer->watch.key;
    buffer->event.kind = EVENT_MESSAGE;
    return &buffer->in;
}

// Seldom, and without a price for the others: it keeps their registers.
[[clang::preserve_most, gnu::noinline]] static void end_timeout(struct thread *thread) {
    timeout_stop(&thread->timeout);
}

// All but the data.
INLINE void pass_header(struct thread *from, struct thread *to, struct message *into, struct header_words words) {
    count_sent(from, length_of(words));
    to->counts.messages_received++;
    if (to->timeout.heap != nullptr) {
        end_timeout(to);
    }
    *(struct header_words *) &into->header = words;
}

// The message goes to the thread, and the CPU with it. What is copied last needs no register kept.
[[noreturn]] INLINE void hand_over(struct thread *from, const struct message *out, struct thread *to, struct message *into,
                                   struct header_words words, nsec_t deadline) {
    scheduler_charge(from, to);
    pass_header(from, to, into, words);
    bool is_user = scheduler_switch_to(from, to, deadline);
    copy_data(into->data, out->data, length_of(words));
    arch_end_call(&to->arch, is_user);
}

// --- The queue ---

// Where `size` bytes lie in one piece from a position on; nullptr: they go around the end
INLINE uint8_t *queue_at(const struct channel *channel, uint32_t position, uint64_t size) {
    uint32_t offset = position & (channel->capacity - 1);
    return offset + size <= channel->capacity ? channel->queue + offset : nullptr;
}

INLINE bool enqueue(struct thread *sender, const struct message *out, struct channel *peer, struct header_words words) {
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
    to->counts.messages_received++;
    to->counts.copied_bytes += length;
    list_remove(&watch->ready_node);
    if (channel->head != channel->tail || channel->peer == nullptr) {
        list_push_back(&poll->ready, &watch->ready_node); // behind the others
    }
    return true;
}

// --- System calls ---

// They are jumped to, and copy last: no register has to be kept for anybody.
INLINE struct syscall_result wake(struct thread *thread, struct thread *to, struct message *into, struct header_words words) {
    arch_set_result(&to->arch, OK, 0);
    scheduler_queue(to);
    pass_header(thread, to, into, words);
    copy_data(into->data, thread->buffer->out.data, length_of(words));
    return done;
}

[[gnu::noinline]] static struct syscall_result send_to_waiter(uint64_t handle, struct channel *channel,
                                                              struct header_words words, struct thread *thread,
                                                              struct thread *waiter) {
    if (!scheduler_may_queue(waiter)) {
        return enter_channel_send(handle, 0, 0, 0, 0, thread);
    }
    return wake(thread, waiter, take_waiter(channel, waiter), words);
}

[[gnu::noinline]] static struct syscall_result send_to_caller(uint64_t handle, struct channel *peer, struct header_words words,
                                                              struct thread *thread) {
    struct thread *caller = is_awaited(peer, words) ? peer->caller : nullptr;
    if (caller == nullptr || !scheduler_may_queue(caller)) {
        return enter_channel_send(handle, 0, 0, 0, 0, thread);
    }
    return wake(thread, caller, take_caller(peer, caller), words);
}

[[gnu::noinline]] static struct syscall_result send_to_queue(uint64_t handle, struct channel *peer, struct header_words words,
                                                             struct thread *thread) {
    return enqueue(thread, &thread->buffer->out, peer, words) ? done : enter_channel_send(handle, 0, 0, 0, 0, thread);
}

struct syscall_result enter_fast_channel_send(uint64_t handle, uint64_t, uint64_t, uint64_t, uint64_t, struct thread *thread) {
    struct process *process = thread->process;
    struct channel *channel = channel_at(process, &process->handles.called, handle);
    const struct message *out = &thread->buffer->out;
    struct header_words words = header_read(out);
    if (UNLIKELY(channel->peer == nullptr) || UNLIKELY(!has_no_handles(words))) {
        return enter_channel_send(handle, 0, 0, 0, 0, thread);
    }
    struct channel *peer = channel->peer;
    if (UNLIKELY(is_of_kernel(words))) {
        return send_to_caller(handle, peer, words, thread);
    }
    struct thread *waiter = waiter_of(channel);
    return waiter != nullptr ? send_to_waiter(handle, channel, words, thread, waiter)
                             : send_to_queue(handle, peer, words, thread);
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

// No thread is in a call on the channel.
INLINE struct syscall_result call_through(struct channel *channel, uint64_t handle, uint64_t deadline, struct thread *thread) {
    const struct message *out = &thread->buffer->out;
    struct header_words words = header_read(out);
    if (UNLIKELY(channel->peer == nullptr) || UNLIKELY(!has_no_handles(words))) {
        return call(thread, handle, deadline);
    }
    struct thread *waiter = waiter_of(channel);
    if (UNLIKELY(waiter == nullptr) || UNLIKELY(!scheduler_may_switch_to(waiter))) {
        return call(thread, handle, deadline);
    }
    channel->caller = thread;
    thread->call_channel = channel;
    uint32_t kind = (uint32_t) words.kind_and_transaction & ~MESSAGE_CLASS_MASK; // MESSAGE_CALL
    words.kind_and_transaction = kind | (uint64_t) channel_name_call(channel, kind) << 32;
    hand_over(thread, out, waiter, take_waiter(channel, waiter), words, deadline);
}

FAST fast_channel_call(uint64_t handle, uint64_t deadline, uint64_t, uint64_t, UNUSED, struct thread *thread) {
    struct process *process = thread->process;
    struct channel *channel = channel_at(process, &process->handles.called, handle);
    if (UNLIKELY(channel->caller != nullptr)) {
        return call(thread, handle, deadline);
    }
    return call_through(channel, handle, deadline, thread);
}

// The same for direct_call.S, which has looked the channel up.
FAST fast_channel_call_through(uint64_t handle, uint64_t deadline, uint64_t, uint64_t, uint64_t, uint64_t,
                               struct channel *channel, uint64_t, uint64_t, struct thread *thread) {
    return call_through(channel, handle, deadline, thread);
}

// A reply to a call that was made by sending, or any other message.
[[gnu::noinline]] FAST answer_waiting(uint64_t handle, uint64_t poll_handle, uint64_t deadline, struct channel *channel,
                                      struct poll *poll, struct thread *thread) {
    const struct message *out = &thread->buffer->out;
    struct header_words words = header_read(out);
    struct thread *to = waiter_of(channel);
    if (is_of_kernel(words) || to == nullptr || !scheduler_may_switch_to(to)) {
        return reply_and_wait(thread, handle, poll_handle, deadline);
    }
    struct message *into = take_waiter(channel, to);
    poll_add_waiter(poll, thread);
    hand_over(thread, out, to, into, words, deadline);
}

FAST fast_channel_reply_wait(uint64_t handle, uint64_t poll_handle, uint64_t deadline, uint64_t, UNUSED,
                             struct thread *thread) {
    struct process *process = thread->process;
    struct channel *channel = channel_at(process, &process->handles.answered, handle);
    struct poll *poll = poll_at(process, poll_handle);
    const struct message *out = &thread->buffer->out;
    struct header_words words = header_read(out);
    if (UNLIKELY(channel->peer == nullptr) || UNLIKELY(!list_is_empty(&poll->ready)) || UNLIKELY(deadline == 0) ||
        UNLIKELY(!has_no_handles(words))) {
        return reply_and_wait(thread, handle, poll_handle, deadline);
    }
    struct channel *peer = channel->peer;
    if (UNLIKELY(!is_awaited(peer, words))) {
        return answer_waiting(handle, poll_handle, deadline, channel, poll, thread);
    }
    struct thread *caller = peer->caller;
    if (UNLIKELY(caller == nullptr) || UNLIKELY(!scheduler_may_switch_to(caller))) {
        return reply_and_wait(thread, handle, poll_handle, deadline);
    }
    struct message *into = take_caller(peer, caller);
    poll_add_waiter(poll, thread);
    hand_over(thread, out, caller, into, words, deadline);
}

[[gnu::noinline]] FAST receive_queued(uint64_t handle, uint64_t deadline, struct poll *poll, struct thread *thread) {
    return poll->ready.next != nullptr && dequeue(thread, poll) ? done : enter_poll_wait(handle, deadline, 0, 0, 0, thread);
}

FAST fast_poll_wait(uint64_t handle, uint64_t deadline, uint64_t, uint64_t, UNUSED, struct thread *thread) {
    struct process *process = thread->process;
    struct poll *poll = poll_at(process, handle);
    if (!list_is_empty(&poll->ready)) {
        return receive_queued(handle, deadline, poll, thread);
    }
    struct thread *next = scheduler_next();
    if (next == nullptr || deadline == 0) {
        return enter_poll_wait(handle, deadline, 0, 0, 0, thread);
    }
    poll_add_waiter(poll, thread);
    scheduler_take(next);
    scheduler_switch(thread, next, deadline);
}
