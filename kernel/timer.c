// Timer objects.
#include "timer.h"

#include "heap.h"
#include "syscall.h"

void timer_destroy(struct object *object) {
    struct timer *timer = (struct timer *) object;
    timeout_stop(&timer->timeout);
    watch_end(&timer->watch);
    heap_free(timer, sizeof(*timer), object->account);
}

bool timer_has_news(const struct timer *timer) {
    return timer->has_expired;
}

bool timer_collect(struct timer *timer, struct thread *thread) {
    if (!timer->has_expired) {
        return false;
    }
    timer->has_expired = false;
    thread->buffer->event.kind = EVENT_TIMER;
    thread->buffer->event.value = 1;
    return true;
}

static void expired(struct timeout *timeout) {
    struct timer *timer = LIST_CONTAINER(timeout, struct timer, timeout);
    timer->has_expired = true;
    watch_signal(&timer->watch);
}

status_t sys_timer_create(struct thread *thread, uint64_t *out_timer) {
    struct account *account = thread->process->account;
    struct timer *timer = heap_allocate(sizeof(*timer), account);
    if (timer == nullptr) {
        return ERR_NO_MEMORY;
    }
    object_init(&timer->object, OBJECT_TIMER, account);
    watch_init(&timer->watch, &timer->object);
    return process_add_handle(thread->process, &timer->object, RIGHT_WRITE | RIGHT_WAIT | RIGHT_TRANSFER, out_timer);
}

status_t sys_timer_set(struct thread *thread, handle_t handle, uint64_t deadline) {
    struct object *object;
    TRY(handle_get(&thread->process->handles, handle, OBJECT_TIMER, RIGHT_WRITE, &object));
    struct timer *timer = (struct timer *) object;
    timeout_stop(&timer->timeout);
    timer->has_expired = false;
    timeout_start(&timer->timeout, deadline, expired);
    return OK;
}
