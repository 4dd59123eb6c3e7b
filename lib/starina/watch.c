// Interrupts, processes and pagers that the main loop watches.
#include "internal.h"

static struct watch *watch_find(handle_t object) {
    for (size_t i = 0; i < pools.watch_count; i++) {
        if (pools.watches[i].object == object) {
            return &pools.watches[i];
        }
    }
    return nullptr;
}

status_t watch_begin(struct watch wanted) {
    struct watch *watch = watch_find(HANDLE_INVALID);
    if (watch == nullptr) {
        return ERR_LIMIT;
    }
    wanted.generation = watch->generation + 1;
    TRY(poll_add(main_poll, wanted.object, source_key(SOURCE_WATCH, wanted.generation, (size_t) (watch - pools.watches))));
    *watch = wanted;
    return OK;
}

status_t watch_add(handle_t object, void (*handle)(void *context, uint64_t value), void *context) {
    return watch_begin((struct watch) {.object = object, .kind = WATCH_PROCESS, .handle = (hook_t) handle, .context = context});
}

status_t watch_remove(handle_t object) {
    struct watch *watch = object != HANDLE_INVALID ? watch_find(object) : nullptr;
    if (watch == nullptr) {
        return ERR_NOT_FOUND;
    }
    watch->object = HANDLE_INVALID;
    return poll_remove(main_poll, object);
}

void watch_deliver(const struct event *event) {
    struct watch watch = pools.watches[key_index(event->key)]; // a copy: its hook may end it
    if (watch.object == HANDLE_INVALID || watch.generation != key_generation(event->key)) {
        component_counters.stale_events++;
        return;
    }
    switch (watch.kind) {
    case WATCH_INTERRUPT:
        ((void (*)(void *)) watch.handle)(watch.context);
        break;
    case WATCH_PROCESS:
        ((void (*)(void *, uint64_t)) watch.handle)(watch.context, event->value);
        break;
    case WATCH_PAGER:
        pager_deliver((pager_t) {watch.object}, watch.source, watch.context, event);
        break;
    }
}
