// Channels: messages go from the sender's thread buffer into the peer's queue, and from there into the receiver's.
//
// Decode, then invoke: a send checks everything before it moves the first handle, and after that cannot fail.
#include "channel.h"

#include "heap.h"
#include "memory.h"
#include "scheduler.h"
#include "syscall.h"
#include "trace.h"

enum : uint32_t { CAPACITY_MIN = 2048, CAPACITY_MAX = 65536 };

// How a message lies in a queue; its data follows.
struct queued_message {
    uint32_t kind;
    uint32_t transaction;
    int32_t status;
    uint16_t length;
    uint16_t handle_count;
    struct grant handles[MESSAGE_HANDLES_MAX];
};

static_assert(offsetof(struct queued_message, handles) == sizeof(struct header_words));

// A checked message on its way: what the queue's entry will be, and whose data it has.
struct outgoing {
    struct queued_message header;
    struct handle_entry *entries[MESSAGE_HANDLES_MAX];
    const uint8_t *data;
};

// --- The queue ---

// A message without handles does not spend room on them.
static uint32_t header_size(uint16_t handle_count) {
    return (uint32_t) (offsetof(struct queued_message, handles) + handle_count * sizeof(struct grant));
}

static uint32_t queued_size(const struct queued_message *message) {
    return (header_size(message->handle_count) + message->length + 7u) & ~7u;
}

static uint32_t queue_room(const struct channel *channel) {
    return channel->capacity - (channel->tail - channel->head);
}

static void queue_write(struct channel *channel, uint32_t at, const void *source, uint32_t size) {
    uint32_t offset = at & (channel->capacity - 1);
    uint32_t first = size < channel->capacity - offset ? size : channel->capacity - offset;
    memcpy(channel->queue + offset, source, first);
    if (first < size) {
        memcpy(channel->queue, (const uint8_t *) source + first, size - first);
    }
}

static void queue_read(const struct channel *channel, uint32_t at, void *destination, uint32_t size) {
    uint32_t offset = at & (channel->capacity - 1);
    uint32_t first = size < channel->capacity - offset ? size : channel->capacity - offset;
    memcpy(destination, channel->queue + offset, first);
    if (first < size) {
        memcpy((uint8_t *) destination + first, channel->queue, size - first);
    }
}

static void queue_read_header(const struct channel *channel, struct queued_message *out_header) {
    queue_read(channel, channel->head, out_header, header_size(0));
    queue_read(channel, channel->head + header_size(0), out_header->handles,
               header_size(out_header->handle_count) - header_size(0));
}

static bool queue_is_empty(const struct channel *channel) {
    return channel->head == channel->tail;
}

static void queue_free(struct channel *channel) {
    if (channel->queue == nullptr) {
        return;
    }
    // Releasing a handle may destroy another channel, but not this one: whoever calls keeps it.
    while (!queue_is_empty(channel)) {
        struct queued_message header;
        queue_read_header(channel, &header);
        channel->head += queued_size(&header);
        for (uint16_t i = 0; i < header.handle_count; i++) {
            object_release(header.handles[i].object);
        }
    }
    heap_free(channel->queue, channel->capacity, channel->object.account);
    channel->queue = nullptr;
    channel->head = channel->tail = 0;
}

// --- Who receives ---

static struct poll no_poll; // nobody waits on it

static void receive_by(struct channel *channel, struct poll *poll) {
    channel->receiver = poll;
    channel->called = poll->upcall != 0 ? poll : &no_poll;
    channel->called_key = channel->peer != nullptr ? channel->peer->watch.key : 0;
}

void channel_poll_changed(struct channel *channel) {
    if (channel->peer != nullptr) {
        receive_by(channel->peer, channel->watch.open_poll != nullptr ? channel->watch.open_poll : &no_poll);
    }
}

// --- Creation and end ---

static struct channel *end_create(struct process *creator, uint32_t capacity) {
    struct channel *channel = heap_allocate(sizeof(*channel), creator->account);
    if (channel == nullptr) {
        return nullptr;
    }
    channel->queue = heap_allocate(capacity, creator->account);
    if (channel->queue == nullptr) {
        heap_free(channel, sizeof(*channel), creator->account);
        return nullptr;
    }
    object_init(&channel->object, OBJECT_CHANNEL, creator->account);
    channel->capacity = capacity;
    channel->creator = creator;
    channel->next_transaction = TRANSACTION_KERNEL;
    watch_init(&channel->watch, &channel->object);
    receive_by(channel, &no_poll);
    list_push_back(&creator->channels, &channel->creator_node);
    return channel;
}

status_t sys_channel_create(struct thread *thread, uint32_t capacity, uint64_t *out_ends) {
    if (capacity < CAPACITY_MIN || capacity > CAPACITY_MAX) {
        return ERR_INVALID_ARGUMENT;
    }
    capacity = 1u << (32 - __builtin_clz(capacity - 1));
    struct channel *first = end_create(thread->process, capacity);
    struct channel *second = first != nullptr ? end_create(thread->process, capacity) : nullptr;
    if (second == nullptr) {
        if (first != nullptr) {
            object_release(&first->object);
        }
        return ERR_NO_MEMORY;
    }
    first->peer = second;
    second->peer = first;
    enum : uint32_t { END_RIGHTS = RIGHT_READ | RIGHT_WRITE | RIGHT_WAIT | RIGHT_TRANSFER };
    uint64_t low, high;
    status_t status = process_add_handle(thread->process, &first->object, END_RIGHTS, &low);
    if (status != OK) {
        object_release(&second->object);
        return status;
    }
    status = process_add_handle(thread->process, &second->object, END_RIGHTS, &high);
    if (status != OK) {
        process_close_handle(thread->process, (handle_t) low);
        return status;
    }
    *out_ends = low | high << 32;
    return OK;
}

void channel_end_call(struct channel *channel, status_t status) {
    struct thread *caller = channel->caller;
    if (caller == nullptr) {
        return;
    }
    channel->caller = nullptr;
    caller->call_channel = nullptr;
    thread_end_wait(caller, status);
    scheduler_make_ready(caller);
}

static void peer_closed(struct channel *channel) {
    channel->is_writable_again |= channel->peer->needed != 0; // it waited for room: it shall try again, and see
    channel->peer = nullptr;
    channel->needed = 0;
    receive_by(channel, &no_poll);
    channel_end_call(channel, ERR_CLOSED);
    watch_signal(&channel->watch);
}

void channel_shut(struct channel *channel) {
    list_remove(&channel->creator_node);
    channel->creator = nullptr;
    struct channel *peer = channel->peer;
    object_retain(&channel->object); // what lies in its queue may hold the last handle of it
    if (peer != nullptr) {
        peer_closed(peer);
        peer_closed(channel);
    }
    queue_free(channel);
    watch_signal(&channel->watch);
    object_release(&channel->object);
}

void channel_destroy(struct object *object) {
    struct channel *channel = (struct channel *) object;
    watch_end(&channel->watch);
    channel_end_call(channel, ERR_CLOSED);
    if (channel->peer != nullptr) {
        peer_closed(channel->peer);
        channel->peer = nullptr;
    }
    queue_free(channel);
    list_remove(&channel->creator_node);
    heap_free(channel, sizeof(*channel), object->account);
}

// --- Sending ---

static status_t decode_handle(struct thread *thread, struct channel *channel, handle_t handle, struct outgoing *out) {
    struct handle_entry *entry;
    TRY(handle_find(&thread->process->handles, handle, &entry));
    if ((entry->rights & RIGHT_TRANSFER) == 0) {
        return ERR_DENIED;
    }
    // Neither end may travel through the channel itself: it would keep itself alive in its own queue.
    if (entry->object == &channel->object || entry->object == &channel->peer->object) {
        return ERR_INVALID_ARGUMENT;
    }
    for (uint16_t i = 0; i < out->header.handle_count; i++) {
        if (out->entries[i] == entry) {
            return ERR_INVALID_ARGUMENT;
        }
    }
    out->entries[out->header.handle_count++] = entry;
    return OK;
}

static status_t decode(struct thread *thread, struct channel *channel, struct outgoing *out) {
    const struct message *message = &thread->buffer->out;
    *(struct header_words *) &out->header = header_read(message);
    uint16_t handle_count = out->header.handle_count;
    if (out->header.length > MESSAGE_DATA_MAX || handle_count > MESSAGE_HANDLES_MAX) {
        return ERR_INVALID_ARGUMENT;
    }
    if (channel->peer == nullptr) {
        return ERR_CLOSED;
    }
    out->data = message->data;
    out->header.handle_count = 0;
    const volatile handle_t *handles = message->header.handles;
    for (uint16_t i = 0; i < handle_count; i++) {
        TRY(decode_handle(thread, channel, handles[i], out));
    }
    return OK;
}

static void take_handles(struct process *process, struct outgoing *out) {
    for (uint16_t i = 0; i < out->header.handle_count; i++) {
        out->header.handles[i] = handle_remove(&process->handles, out->entries[i]);
        watch_end_moved(out->header.handles[i].object);
    }
}

static void count_sent(struct thread *sender, const struct queued_message *header) {
    sender->counts.messages_sent++;
    sender->counts.copied_bytes += header->length;
}

// Puts the message's header and handles into a thread's view of it. Handles for which the table has no room are closed
// and arrive as HANDLE_INVALID. Returns whether all arrived.
static bool give_header(struct thread *receiver, const struct queued_message *from, struct message_header *to) {
    bool all_arrived = true;
    *(struct header_words *) to = *(const struct header_words *) from;
    for (uint16_t i = 0; i < from->handle_count; i++) {
        if (handle_add(&receiver->process->handles, from->handles[i], &to->handles[i]) != OK) {
            object_release(from->handles[i].object);
            to->handles[i] = HANDLE_INVALID;
            all_arrived = false;
        }
    }
    receiver->counts.messages_received++;
    return all_arrived;
}

static void copy_data(struct message *to, const struct outgoing *from) {
    if (from->header.length != 0) {
        memcpy(to->data, from->data, from->header.length);
    }
}

// Messages go straight to a thread that waits for them. It is returned, and still to be made ready.

// The one that waits in channel_call for this reply. nullptr: it has timed out
static struct thread *give_to_caller(struct channel *peer, const struct outgoing *out) {
    struct thread *caller = peer->caller;
    if (caller == nullptr || out->header.transaction != peer->awaited.transaction) {
        return nullptr;
    }
    peer->caller = nullptr;
    caller->call_channel = nullptr;
    struct message *reply = &caller->buffer->reply;
    copy_data(reply, out);
    bool all_arrived = give_header(caller, &out->header, &reply->header);
    thread_end_wait(caller, all_arrived ? OK : ERR_NO_HANDLES);
    return caller;
}

// One that waits on the poll that watches the channel.
static void give_to_waiter(struct channel *peer, struct thread *waiter, const struct outgoing *out) {
    struct thread_buffer *buffer = waiter->buffer;
    buffer->event.key = peer->watch.key;
    buffer->event.kind = EVENT_MESSAGE;
    thread_end_wait(waiter, OK); // first: a handle that does not arrive may make more news for it
    copy_data(&buffer->in, out);
    give_header(waiter, &out->header, &buffer->in.header);
    trace(TRACE_RECEIVE, out->header.kind, out->header.transaction);
}

static void enqueue(struct channel *peer, const struct outgoing *out) {
    uint32_t header_bytes = header_size(out->header.handle_count);
    queue_write(peer, peer->tail, &out->header, header_bytes);
    queue_write(peer, peer->tail + header_bytes, out->data, out->header.length);
    peer->tail += queued_size(&out->header);
    watch_signal(&peer->watch);
}

static bool is_kernel_reply(const struct queued_message *header) {
    return (header->kind & MESSAGE_CLASS_MASK) == MESSAGE_REPLY && (header->transaction & TRANSACTION_KERNEL) != 0;
}

static void reply(struct thread *sender, struct channel *peer, struct outgoing *out, struct thread **out_woken) {
    take_handles(sender->process, out);
    count_sent(sender, &out->header);
    *out_woken = give_to_caller(peer, out);
    for (uint16_t i = 0; *out_woken == nullptr && i < out->header.handle_count; i++) {
        object_release(out->header.handles[i].object); // nobody waits for this reply any more
    }
}

// Sends a decoded message. Changes nothing on failure. `out_woken`: a thread that is to be made ready, or nullptr
static status_t send(struct thread *sender, struct channel *channel, struct outgoing *out, struct thread **out_woken) {
    struct channel *peer = channel->peer;
    if (is_kernel_reply(&out->header)) {
        reply(sender, peer, out, out_woken);
        return OK;
    }
    struct thread *waiter = channel->receiver->waiters; // if there is one, the queue is empty: it waits for no news
    if (waiter == nullptr && queued_size(&out->header) > queue_room(peer)) {
        peer->needed = queued_size(&out->header);
        return ERR_FULL;
    }
    take_handles(sender->process, out);
    count_sent(sender, &out->header);
    if (waiter != nullptr) {
        give_to_waiter(peer, waiter, out);
    } else {
        enqueue(peer, out);
    }
    *out_woken = waiter;
    return OK;
}

static status_t find_channel(struct thread *thread, handle_t handle, struct channel **out_channel) {
    struct handle_table *table = &thread->process->handles;
    struct object *object = handle_hinted(&table->called, &table->answered, handle);
    if (object == nullptr) {
        TRY(handle_get(table, handle, OBJECT_CHANNEL, RIGHT_WRITE, &object));
    }
    *out_channel = (struct channel *) object;
    return OK;
}

// Only the kernel's own calls use the upper range of transactions; a sender can't claim it but in a reply.
static status_t decode_and_send(struct thread *thread, struct channel *channel, struct thread **out_woken) {
    struct outgoing out;
    TRY(decode(thread, channel, &out));
    if ((out.header.transaction & TRANSACTION_KERNEL) != 0 && !is_kernel_reply(&out.header)) {
        return ERR_INVALID_ARGUMENT;
    }
    trace(TRACE_SEND, out.header.kind, out.header.transaction);
    return send(thread, channel, &out, out_woken);
}

status_t sys_channel_send(struct thread *thread, handle_t handle) {
    struct channel *channel;
    TRY(find_channel(thread, handle, &channel));
    struct thread *woken;
    TRY(decode_and_send(thread, channel, &woken));
    if (woken != nullptr) {
        scheduler_make_ready(woken);
    }
    return OK;
}

status_t channel_begin_call(struct thread *thread, handle_t handle, struct thread **out_woken) {
    struct channel *channel;
    TRY(find_channel(thread, handle, &channel));
    if (channel->caller != nullptr) {
        return ERR_BUSY;
    }
    struct outgoing out;
    TRY(decode(thread, channel, &out));
    out.header.kind &= ~MESSAGE_CLASS_MASK; // MESSAGE_CALL
    out.header.transaction = channel->next_transaction;
    TRY(send(thread, channel, &out, out_woken));
    channel->caller = thread;
    (void) channel_name_call(channel, out.header.kind);
    thread->call_channel = channel;
    trace(TRACE_CALL, out.header.kind, out.header.transaction);
    return OK;
}

status_t sys_channel_call(struct thread *thread, handle_t handle, uint64_t deadline) {
    struct thread *woken;
    TRY(channel_begin_call(thread, handle, &woken));
    thread_block(thread, deadline);
    if (woken != nullptr) {
        scheduler_hand_over(woken);
    }
    return STATUS_BLOCKED;
}

status_t channel_reply(struct thread *thread, handle_t handle, handle_t poll_handle, struct poll **out_poll,
                       struct thread **out_woken) {
    struct channel *channel;
    TRY(find_channel(thread, handle, &channel));
    TRY(poll_find(thread, poll_handle, out_poll));
    return decode_and_send(thread, channel, out_woken);
}

status_t sys_channel_reply_wait(struct thread *thread, handle_t handle, handle_t poll_handle, uint64_t deadline) {
    struct poll *poll;
    struct thread *woken;
    TRY(channel_reply(thread, handle, poll_handle, &poll, &woken));
    status_t status = poll_take(poll, thread, deadline);
    if (woken == nullptr) {
        return status;
    }
    if (status == STATUS_BLOCKED) {
        scheduler_hand_over(woken);
    } else {
        scheduler_make_ready(woken);
    }
    return status;
}

// --- Receiving, through a poll ---

static bool is_close_due(const struct channel *channel) {
    return channel->peer == nullptr && queue_is_empty(channel) && !channel->is_close_told;
}

bool channel_has_news(const struct channel *channel) {
    bool has_message = !queue_is_empty(channel) && channel->watch.open_poll != nullptr;
    return has_message || channel->is_writable_again || is_close_due(channel);
}

// Room came free: tells the peer, if it waits for that much.
static void tell_writable(struct channel *channel) {
    struct channel *peer = channel->peer;
    if (peer != nullptr && channel->needed != 0 && queue_room(channel) >= channel->needed) {
        channel->needed = 0;
        peer->is_writable_again = true;
        watch_signal(&peer->watch);
    }
}

static void dequeue(struct channel *channel, struct thread *thread) {
    struct queued_message header;
    queue_read_header(channel, &header);
    struct message *in = &thread->buffer->in;
    queue_read(channel, channel->head + header_size(header.handle_count), in->data, header.length);
    channel->head += queued_size(&header);
    thread->counts.copied_bytes += header.length; // a second time: who sent it has copied it into the queue
    give_header(thread, &header, &in->header);
    trace(TRACE_RECEIVE, header.kind, header.transaction);
    tell_writable(channel);
}

bool channel_collect(struct channel *channel, struct thread *thread) {
    struct event *event = &thread->buffer->event;
    if (channel->is_writable_again) {
        channel->is_writable_again = false;
        event->kind = EVENT_WRITABLE;
        return true;
    }
    if (!queue_is_empty(channel) && channel->watch.open_poll != nullptr) {
        dequeue(channel, thread);
        event->kind = EVENT_MESSAGE;
        return true;
    }
    if (is_close_due(channel)) {
        channel->is_close_told = true;
        event->kind = EVENT_CLOSED;
        return true;
    }
    return false;
}
