// Channels, polls, handles and the end of objects, on the host: what moves in messages, and what must not be touched after.
//
// test-with: kernel/channel.c kernel/handle.c kernel/object.c kernel/poll.c
#include "channel.h"

#include "folio.h"
#include "heap.h"
#include "interrupt.h"
#include "pager.h"
#include "process.h"
#include "scheduler.h"
#include "syscall.h"
#include "timer.h"
#include "trace.h"

#include <test/test.h>

#include <stdlib.h>
#include <string.h>

status_t sys_channel_create(struct thread *thread, uint32_t capacity, uint64_t *out_ends);
status_t sys_channel_send(struct thread *thread, handle_t handle);
status_t sys_channel_call(struct thread *thread, handle_t handle, uint64_t deadline);
status_t sys_poll_create(struct thread *thread, uint64_t *out_poll);
status_t sys_poll_add(struct thread *thread, handle_t poll, handle_t object, uint64_t key);
status_t sys_poll_wait(struct thread *thread, handle_t poll, uint64_t deadline);

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
    caller->buffer.out.header = (struct message_header) {.kind = MESSAGE_REPLY, .transaction = channel->call_transaction};
    EXPECT_EQ(sys_channel_send(&caller->thread, ends.b), OK);
    component_end(caller);
    EXPECT(caller->thread.state == THREAD_RUNNING);
}
