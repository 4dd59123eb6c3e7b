// Interrupts and processes that the main loop watches.
#include "internal.h"

static struct watch *watch_find(handle_t object) {
    for (size_t i = 0; i < pools.watch_count; i++) {
        if (pools.watches[i].object == object) {
            return &pools.watches[i];
        }
    }
    return nullptr;
}

status_t watch_add_hook(handle_t object, hook_t handle, bool wants_value, void *context) {
    struct watch *watch = watch_find(HANDLE_INVALID);
    if (watch == nullptr) {
        return ERR_LIMIT;
    }
    uint32_t generation = watch->generation + 1;
    TRY(poll_add(main_poll, object, source_key(SOURCE_WATCH, generation, (size_t) (watch - pools.watches))));
    *watch = (struct watch) {object, generation, handle, wants_value, context};
    return OK;
}

status_t watch_add(handle_t object, void (*handle)(void *context, uint64_t value), void *context) {
    return watch_add_hook(object, (hook_t) handle, true, context);
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
    const struct watch *watch = &pools.watches[key_index(event->key)];
    if (watch->object == HANDLE_INVALID || watch->generation != key_generation(event->key)) {
        component_counters.stale_events++;
    } else if (watch->wants_value) {
        ((void (*)(void *, uint64_t)) watch->handle)(watch->context, event->value);
    } else {
        ((void (*)(void *)) watch->handle)(watch->context);
    }
}
