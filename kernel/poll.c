// A poll. It is level-triggered: an object that still has something after its turn goes to the end of the queue.
#include "poll.h"

#include "channel.h"
#include "heap.h"
#include "interrupt.h"
#include "pager.h"
#include "process.h"
#include "scheduler.h"
#include "syscall.h"
#include "timer.h"

void watch_init(struct watch *watch, struct object *source) {
    watch->poll = watch->open_poll = nullptr;
    watch->source = source;
    list_init(&watch->node);
    list_init(&watch->ready_node);
}

// Its messages go to the poll from now on; nullptr: they wait.
static void watch_open(struct watch *watch, struct poll *poll) {
    watch->open_poll = poll;
    if (watch->source->type == OBJECT_CHANNEL) {
        channel_poll_changed((struct channel *) watch->source);
    }
}

void watch_end(struct watch *watch) {
    list_remove(&watch->node);
    list_remove(&watch->ready_node);
    watch->poll = nullptr;
    watch_open(watch, nullptr);
}

void poll_add_waiter(struct poll *poll, struct thread *thread) {
    thread->wait_poll = poll;
    thread->next_waiter = poll->waiters;
    poll->waiters = thread;
}

void poll_forget_waiter(struct thread *thread) {
    if (thread->wait_poll == nullptr) {
        return;
    }
    struct thread **link = &thread->wait_poll->waiters;
    while (*link != thread) {
        link = &(*link)->next_waiter;
    }
    *link = thread->next_waiter;
    thread->wait_poll = nullptr;
}

void poll_destroy(struct object *object) {
    struct poll *poll = (struct poll *) object;
    LIST_FOR_EACH(node, &poll->watches) {
        watch_end(LIST_CONTAINER(node, struct watch, node));
    }
    while (poll->waiters != nullptr) {
        struct thread *waiter = poll->waiters;
        thread_end_wait(waiter, ERR_BAD_HANDLE);
        scheduler_make_ready(waiter);
    }
    heap_free(poll, sizeof(*poll), object->account);
}

status_t sys_poll_create(struct thread *thread, uint64_t *out_poll) {
    struct account *account = thread->process->account;
    struct poll *poll = heap_allocate(sizeof(*poll), account);
    if (poll == nullptr) {
        return ERR_NO_MEMORY;
    }
    object_init(&poll->object, OBJECT_POLL, account);
    list_init(&poll->watches);
    list_init(&poll->ready);
    return process_add_handle(thread->process, &poll->object, RIGHT_READ | RIGHT_WRITE | RIGHT_WAIT, out_poll);
}

// The watch of an object that has one; nullptr for others.
static struct watch *watch_of(struct object *object) {
    switch (object->type) {
    case OBJECT_CHANNEL:
        return &((struct channel *) object)->watch;
    case OBJECT_TIMER:
        return &((struct timer *) object)->watch;
    case OBJECT_INTERRUPT:
        return &((struct interrupt *) object)->watch;
    case OBJECT_PROCESS:
        return &((struct process *) object)->watch;
    case OBJECT_PAGER:
        return &((struct pager *) object)->watch;
    default:
        return nullptr;
    }
}

// Of a process there may be further handles, so its watch stays.
void watch_end_moved(struct object *object) {
    struct watch *watch = object->type != OBJECT_PROCESS ? watch_of(object) : nullptr;
    if (watch != nullptr && watch->poll != nullptr) {
        watch_end(watch);
    }
}

// Moves the object's next piece of news into the thread's buffer. False: it has none.
static bool collect(struct object *object, struct thread *thread) {
    switch (object->type) {
    case OBJECT_CHANNEL:
        return channel_collect((struct channel *) object, thread);
    case OBJECT_TIMER:
        return timer_collect((struct timer *) object, thread);
    case OBJECT_INTERRUPT:
        return interrupt_collect((struct interrupt *) object, thread);
    case OBJECT_PROCESS:
        return process_collect((struct process *) object, thread);
    case OBJECT_PAGER:
        return pager_collect((struct pager *) object, thread);
    default:
        return false;
    }
}

static bool has_news(const struct object *object) {
    switch (object->type) {
    case OBJECT_CHANNEL:
        return channel_has_news((const struct channel *) object);
    case OBJECT_TIMER:
        return timer_has_news((const struct timer *) object);
    case OBJECT_INTERRUPT:
        return interrupt_has_news((const struct interrupt *) object);
    case OBJECT_PROCESS:
        return process_has_news((const struct process *) object);
    case OBJECT_PAGER:
        return pager_has_news((const struct pager *) object);
    default:
        return false;
    }
}

// A waiting thread gets the news at once. While one waits, no object of the poll has any.
void watch_signal(struct watch *watch) {
    struct poll *poll = watch->poll;
    while (poll != nullptr && poll->waiters != nullptr && has_news(watch->source)) {
        struct thread *waiter = poll->waiters;
        thread_end_wait(waiter, OK); // first: what it gets may make more news
        waiter->buffer->event.key = watch->key;
        (void) collect(watch->source, waiter);
        scheduler_make_ready(waiter);
    }
    if (poll != nullptr && list_is_empty(&watch->ready_node) && has_news(watch->source)) {
        list_push_back(&poll->ready, &watch->ready_node);
    }
}

static status_t find_pair(struct thread *thread, handle_t poll, handle_t object, uint32_t rights, struct poll **out_poll,
                          struct watch **out_watch) {
    struct object *found;
    TRY(handle_get(&thread->process->handles, poll, OBJECT_POLL, RIGHT_WRITE, &found));
    *out_poll = (struct poll *) found;
    struct handle_entry *entry;
    TRY(handle_find(&thread->process->handles, object, &entry));
    *out_watch = watch_of(entry->object);
    if (*out_watch == nullptr) {
        return ERR_WRONG_TYPE;
    }
    return (entry->rights & rights) == rights ? OK : ERR_DENIED;
}

status_t sys_poll_add(struct thread *thread, handle_t poll_handle, handle_t object, uint64_t key) {
    struct poll *poll;
    struct watch *watch;
    TRY(find_pair(thread, poll_handle, object, RIGHT_WAIT, &poll, &watch));
    if (watch->poll != nullptr) {
        return ERR_BUSY;
    }
    watch->poll = poll;
    watch->key = key;
    list_push_back(&poll->watches, &watch->node);
    watch_open(watch, poll);
    watch_signal(watch);
    return OK;
}

status_t sys_poll_remove(struct thread *thread, handle_t poll_handle, handle_t object) {
    struct poll *poll;
    struct watch *watch;
    TRY(find_pair(thread, poll_handle, object, 0, &poll, &watch));
    if (watch->poll != poll) {
        return ERR_NOT_FOUND;
    }
    watch_end(watch);
    return OK;
}

status_t sys_poll_pause(struct thread *thread, handle_t poll_handle, handle_t channel, uint32_t paused) {
    struct poll *poll;
    struct watch *watch;
    TRY(find_pair(thread, poll_handle, channel, 0, &poll, &watch));
    if (watch->source->type != OBJECT_CHANNEL) {
        return ERR_WRONG_TYPE;
    }
    if (watch->poll != poll) {
        return ERR_NOT_FOUND;
    }
    if (paused > 1) {
        return ERR_INVALID_ARGUMENT;
    }
    watch_open(watch, paused == 1 ? nullptr : poll);
    watch_signal(watch);
    return OK;
}

status_t poll_find(struct thread *thread, handle_t handle, struct poll **out_poll) {
    struct handle_table *table = &thread->process->handles;
    struct object *object = handle_hinted(&table->waited, &table->waited, handle);
    if (object == nullptr) {
        TRY(handle_get(table, handle, OBJECT_POLL, RIGHT_WAIT, &object));
    }
    *out_poll = (struct poll *) object;
    return OK;
}

status_t poll_take(struct poll *poll, struct thread *thread, nsec_t deadline) {
    struct list *node;
    while ((node = list_pop_front(&poll->ready)) != nullptr) {
        struct watch *watch = LIST_CONTAINER(node, struct watch, ready_node);
        if (!collect(watch->source, thread)) {
            continue;
        }
        thread->buffer->event.key = watch->key;
        watch_signal(watch); // behind the others, if it has more
        return OK;
    }
    if (deadline != DEADLINE_NEVER && (deadline == 0 || arch_clock_now() >= deadline)) {
        return ERR_TIMED_OUT;
    }
    poll_add_waiter(poll, thread);
    thread_block(thread, deadline);
    return STATUS_BLOCKED;
}

status_t sys_poll_wait(struct thread *thread, handle_t handle, uint64_t deadline) {
    struct poll *poll;
    TRY(poll_find(thread, handle, &poll));
    return poll_take(poll, thread, deadline);
}
