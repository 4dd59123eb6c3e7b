// Channels, polls, handles and the end of objects, on the host: what moves in messages, and what must not be touched after.
//
// test-with: kernel/channel.c kernel/direct_call.c kernel/handle.c kernel/object.c kernel/poll.c
#include "channel.h"

#include "direct_call.h"
#include "folio.h"
#include "heap.h"
#include "interrupt.h"
#include "pager.h"
#include "process.h"
#include "scheduler.h"
#include "syscall.h"
#include "timer.h"
#include "trace.h"
#include "vmspace.h"

#include <test/test.h>

#include <stdlib.h>
#include <string.h>

status_t sys_channel_create(struct thread *thread, uint32_t capacity, uint64_t *out_ends);
status_t sys_channel_send(struct thread *thread, handle_t handle);
status_t sys_channel_call(struct thread *thread, handle_t handle, uint64_t deadline);
status_t sys_poll_create(struct thread *thread, uint64_t *out_poll);
status_t sys_poll_add(struct thread *thread, handle_t poll, handle_t object, uint64_t key);
status_t sys_poll_wait(struct thread *thread, handle_t poll, uint64_t deadline);
status_t sys_poll_remove(struct thread *thread, handle_t poll, handle_t object);
status_t sys_poll_pause(struct thread *thread, handle_t poll, handle_t channel, uint32_t paused);
status_t sys_poll_set_upcall(struct thread *thread, handle_t poll, uint64_t function);

// --- The rest of the kernel ---

struct trace_area trace_area;
static size_t live_bytes;

void trace_record(enum trace_kind, uint64_t, uint64_t) {
}

void *heap_allocate(size_t size, struct account *) {
    live_bytes += size;
    return calloc(1, size);
}

void heap_free(void *pointer, size_t size, struct account *) {
    live_bytes -= pointer != nullptr ? size : 0;
    free(pointer);
}

void panic(const char *, ...) {
    abort();
}

nsec_t arch_clock_now(void) {
    return 1000;
}

void thread_block(struct thread *thread, nsec_t) {
    thread->state = THREAD_BLOCKED;
}

void thread_end_wait(struct thread *thread, status_t status) {
    poll_forget_waiter(thread);
    thread->state = THREAD_READY;
    arch_set_result(&thread->arch, status, 0);
}

void scheduler_make_ready(struct thread *) {
}

void scheduler_hand_over(struct thread *) {
}

void scheduler_switched(struct cpu *, struct thread *from, struct thread *to, nsec_t) {
    from->state = THREAD_BLOCKED;
    to->state = THREAD_RUNNING;
}

void timeout_stop(struct timeout *) {
}

void arch_thread_leave_in_call(struct arch_thread *) {
}

bool vmspace_covers(const struct vmspace *, vaddr_t address, uint64_t) {
    return address != 1;
}

static bool has_none(void) {
    return false;
}

static void destroy_none(struct object *) {
}

bool timer_collect(struct timer *, struct thread *) {
    return has_none();
}
bool timer_has_news(const struct timer *) {
    return has_none();
}
bool interrupt_collect(struct interrupt *, struct thread *) {
    return has_none();
}
bool interrupt_has_news(const struct interrupt *) {
    return has_none();
}
bool process_collect(struct process *, struct thread *) {
    return has_none();
}
bool pager_collect(struct pager *, struct thread *) {
    return has_none();
}
bool pager_has_news(const struct pager *) {
    return has_none();
}
bool process_has_news(const struct process *) {
    return has_none();
}
void folio_destroy(struct object *object) {
    destroy_none(object);
}
void process_destroy(struct object *object) {
    destroy_none(object);
}
void thread_object_destroy(struct object *object) {
    destroy_none(object);
}
void pager_destroy(struct object *object) {
    destroy_none(object);
}
void timer_destroy(struct object *object) {
    destroy_none(object);
}
void interrupt_destroy(struct object *object) {
    destroy_none(object);
}

status_t process_add_handle(struct process *process, struct object *object, uint32_t rights, uint64_t *out_handle) {
    handle_t handle = HANDLE_INVALID;
    status_t status = handle_add(&process->handles, (struct grant) {object, (uint16_t) rights}, &handle);
    *out_handle = handle;
    return status;
}

void process_close_handle(struct process *process, handle_t handle) {
    struct handle_entry *entry;
    if (handle_find(&process->handles, handle, &entry) == OK) {
        object_release(handle_remove(&process->handles, entry).object);
    }
}

// --- A component with one thread ---

struct component {
    struct account account;
    struct process process;
    struct thread thread;
    struct thread_buffer buffer;
};

static struct component *component_create(uint32_t handles) {
    struct component *component = calloc(1, sizeof(*component));
    component->process.account = &component->account;
    list_init(&component->process.channels);
    component->thread.process = &component->process;
    component->thread.buffer = &component->buffer;
    component->thread.state = THREAD_RUNNING;
    if (handle_table_init(&component->process.handles, handles, &component->account) != OK) {
        abort();
    }
    return component;
}

// As process.c ends one.
static void component_end(struct component *component) {
    handle_table_destroy(&component->process.handles);
    struct list *node;
    while ((node = list_pop_front(&component->process.channels)) != nullptr) {
        channel_shut(LIST_CONTAINER(node, struct channel, creator_node));
    }
}

struct ends {
    handle_t a, b;
};

static struct ends channel_make(struct component *component) {
    uint64_t ends = 0;
    if (sys_channel_create(&component->thread, 4096, &ends) != OK) {
        abort();
    }
    return (struct ends) {(handle_t) ends, (handle_t) (ends >> 32)};
}

static status_t send_handle(struct component *component, handle_t through, handle_t moved) {
    struct message_header *header = &component->buffer.out.header;
    *header = (struct message_header) {.kind = MESSAGE_SEND, .handle_count = moved != HANDLE_INVALID};
    header->handles[0] = moved;
    return sys_channel_send(&component->thread, through);
}

static handle_t poll_make(struct component *component) {
    uint64_t poll = 0;
    if (sys_poll_create(&component->thread, &poll) != OK) {
        abort();
    }
    return (handle_t) poll;
}

static struct channel *channel_of(struct component *component, handle_t handle) {
    struct object *object = nullptr;
    if (handle_get(&component->process.handles, handle, OBJECT_CHANNEL, 0, &object) != OK) {
        abort();
    }
    return (struct channel *) object;
}

TEST("an end that was given away tells its old owner nothing more, and its new owner can watch it") {
    struct component *component = component_create(32);
    struct ends given = channel_make(component), carrier = channel_make(component);
    handle_t old = poll_make(component), new = poll_make(component);
    EXPECT_EQ(sys_poll_add(&component->thread, old, given.a, 1), OK);
    EXPECT_EQ(sys_poll_add(&component->thread, new, carrier.b, 2), OK);
    EXPECT_EQ(send_handle(component, carrier.a, given.a), OK);
    EXPECT_EQ(send_handle(component, given.b, HANDLE_INVALID), OK);
    EXPECT_EQ(sys_poll_wait(&component->thread, old, 0), ERR_TIMED_OUT);
    EXPECT_EQ(sys_poll_wait(&component->thread, new, 0), OK);
    EXPECT_EQ(sys_poll_add(&component->thread, new, component->buffer.in.header.handles[0], 3), OK);
    EXPECT_EQ(sys_poll_wait(&component->thread, new, 0), OK);
    EXPECT_EQ(component->buffer.event.key, 3);
    component_end(component);
    EXPECT_EQ(live_bytes, 0);
}

TEST("two channels whose ends lie in each other's queues go with their creator") {
    struct component *component = component_create(32);
    struct ends first = channel_make(component), second = channel_make(component);
    EXPECT_EQ(send_handle(component, first.b, second.a), OK);
    EXPECT_EQ(send_handle(component, second.b, first.a), OK);
    component_end(component);
    EXPECT_EQ(live_bytes, 0);
}

TEST("a call that timed out is over: a late reply finds nobody, and so does the end of the channel") {
    struct component *caller = component_create(16);
    struct ends ends = channel_make(caller);
    caller->buffer.out.header = (struct message_header) {.kind = MESSAGE_CALL};
    EXPECT(sys_channel_call(&caller->thread, ends.a, 5000) == STATUS_BLOCKED);
    struct channel *channel = channel_of(caller, ends.a);
    EXPECT_EQ(caller->thread.call_channel, channel);
    channel_end_call(channel, ERR_TIMED_OUT); // what the scheduler does at the deadline
    EXPECT(caller->thread.state == THREAD_READY && caller->thread.call_channel == nullptr && channel->caller == nullptr);
    caller->thread.state = THREAD_RUNNING;
    caller->buffer.out.header = (struct message_header) {.kind = MESSAGE_REPLY, .transaction = channel->awaited.transaction};
    EXPECT_EQ(sys_channel_send(&caller->thread, ends.b), OK);
    component_end(caller);
    EXPECT(caller->thread.state == THREAD_RUNNING);
}

// --- Direct calls that become ordinary ones ---

enum : vaddr_t { UPCALL = 0x1000 };

struct direct_call {
    struct component *component; // whose thread calls
    struct ends ends;
    handle_t poll;
    struct thread called;
    struct thread_buffer buffer;
    struct cpu cpu;
    struct vmspace space;
};

// As direct_call.S leaves it while the upcall runs.
static struct direct_call *direct_call_begin(void) {
    struct direct_call *call = calloc(1, sizeof(*call));
    struct component *component = call->component = component_create(16);
    component->process.space = &call->space;
    call->ends = channel_make(component);
    call->poll = poll_make(component);
    call->called = (struct thread) {.process = &component->process, .buffer = &call->buffer, .state = THREAD_RUNNING};
    (void) sys_poll_add(&component->thread, call->poll, call->ends.b, 7);
    (void) sys_poll_set_upcall(&component->thread, call->poll, UPCALL);
    (void) sys_poll_wait(&call->called, call->poll, DEADLINE_NEVER);
    struct channel *channel = channel_of(component, call->ends.a);
    component->process.handles.called = (struct handle_hint) {call->ends.a, &channel->object};
    component->buffer.out.header = (struct message_header) {.kind = 64 | MESSAGE_CALL, .length = 8};
    call->cpu.arch.current = &call->called;
    call->cpu.arch.direct_caller = &component->thread;
    return call;
}

static void direct_call_end(struct direct_call *call) {
    component_end(call->component);
    free(call);
}

TEST("a direct call that is settled is a call in whose course the other thread was woken") {
    struct direct_call *call = direct_call_begin();
    struct thread *caller = &call->component->thread;
    struct channel *channel = channel_of(call->component, call->ends.a);
    uint32_t transaction = channel->next_transaction;
    EXPECT(channel->called == channel->receiver && channel->called->waiters == &call->called &&
           channel->called->upcall == UPCALL);
    direct_call_settle(&call->cpu);
    EXPECT(caller->state == THREAD_BLOCKED && caller->call_channel == channel && channel->caller == caller);
    EXPECT(call->called.state == THREAD_RUNNING && call->called.wait_poll == nullptr && channel->receiver->waiters == nullptr);
    EXPECT(caller->counts.messages_sent == 1 && caller->counts.system_calls == 1 && call->called.counts.messages_received == 1);
    EXPECT(channel->next_transaction == transaction + 1);
    call->buffer.out.header = (struct message_header) {.kind = 64 | MESSAGE_REPLY, .transaction = transaction, .length = 16};
    EXPECT_EQ(sys_channel_send(&call->called, call->ends.b), OK);
    EXPECT(caller->state == THREAD_READY && channel->caller == nullptr && call->component->buffer.reply.header.length == 16);
    direct_call_end(call);
}

TEST("the caller of a settled call hears that its channel was closed") {
    struct direct_call *call = direct_call_begin();
    struct thread *caller = &call->component->thread;
    direct_call_settle(&call->cpu);
    process_close_handle(&call->component->process, call->ends.b);
    EXPECT(caller->state == THREAD_READY && caller->call_channel == nullptr);
    EXPECT_EQ((status_t) caller->arch.status, ERR_CLOSED);
    direct_call_end(call);
}

TEST("direct calls go where a poll with an upcall takes the messages, and nowhere else") {
    struct direct_call *call = direct_call_begin();
    struct thread *thread = &call->component->thread;
    struct channel *channel = channel_of(call->component, call->ends.a);
    const struct poll *poll = channel->called;
    EXPECT_EQ(sys_poll_pause(thread, call->poll, call->ends.b, 1), OK);
    EXPECT(channel->called != poll && channel->receiver != poll);
    EXPECT_EQ(sys_poll_pause(thread, call->poll, call->ends.b, 0), OK);
    EXPECT(channel->called == poll && channel->receiver == poll);
    EXPECT_EQ(sys_poll_set_upcall(thread, call->poll, 0), OK);
    EXPECT(channel->called != poll && channel->receiver == poll);
    EXPECT_EQ(sys_poll_set_upcall(thread, call->poll, 1), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(sys_poll_set_upcall(thread, call->poll, UPCALL), OK);
    EXPECT(channel->called == poll);
    call->space.is_user = true;
    EXPECT_EQ(sys_poll_set_upcall(thread, call->poll, UPCALL), OK);
    EXPECT(channel->called != poll && channel->receiver == poll);
    EXPECT_EQ(sys_poll_remove(thread, call->poll, call->ends.b), OK);
    EXPECT(channel->receiver != poll);
    EXPECT_EQ(sys_poll_add(thread, call->poll, call->ends.b, 8), OK);
    EXPECT(channel->receiver == poll);
    process_close_handle(&call->component->process, call->ends.b);
    EXPECT(channel->receiver != poll && channel->receiver->waiters == nullptr);
    direct_call_end(call);
}
