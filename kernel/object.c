// The end of an object: each type has its own.
#include "object.h"

#include "arch.h"
#include "channel.h"
#include "folio.h"
#include "interrupt.h"
#include "pager.h"
#include "poll.h"
#include "process.h"
#include "thread.h"
#include "timer.h"

static void resource_destroy(struct object *) {
    // There is one, and it is static.
}

static void (*const destroy[])(struct object *) = {
    [OBJECT_CHANNEL] = channel_destroy,      [OBJECT_POLL] = poll_destroy,
    [OBJECT_FOLIO] = folio_destroy,          [OBJECT_PROCESS] = process_destroy,
    [OBJECT_THREAD] = thread_object_destroy, [OBJECT_TIMER] = timer_destroy,
    [OBJECT_INTERRUPT] = interrupt_destroy,  [OBJECT_RESOURCE] = resource_destroy,
    [OBJECT_PAGER] = pager_destroy,
};

// Destroying an object may release others (a channel's queue holds handles). They wait in a list instead of nesting, so
// a chain of any length needs no more stack.
static struct object *dead;
static bool is_destroying;

void object_release(struct object *object) {
    if (object->references == 0) {
        panic("object %p of type %u released twice", (void *) object, object->type);
    }
    if (--object->references > 0) {
        return;
    }
    object->next_dead = dead;
    dead = object;
    if (is_destroying) {
        return;
    }
    is_destroying = true;
    while (dead != nullptr) {
        struct object *next = dead;
        dead = next->next_dead;
        destroy[next->type](next);
    }
    is_destroying = false;
}
