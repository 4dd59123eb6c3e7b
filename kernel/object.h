// What every kernel object begins with: its type, who pays for it, and how many references keep it.
#pragma once

#include "account.h"

enum object_type : uint8_t {
    OBJECT_CHANNEL,
    OBJECT_POLL,
    OBJECT_FOLIO,
    OBJECT_PROCESS,
    OBJECT_THREAD,
    OBJECT_TIMER,
    OBJECT_INTERRUPT,
    OBJECT_RESOURCE,
    OBJECT_PAGER,
};

struct object {
    enum object_type type;
    uint32_t references; // handles, and pointers that must keep it
    struct account *account;
    struct object *next_dead; // in object_release's list
};

static inline void object_init(struct object *object, enum object_type type, struct account *account) {
    object->type = type;
    object->references = 1;
    object->account = account;
}

static inline void object_retain(struct object *object) {
    object->references++;
}

void object_release(struct object *object); // destroys it with the last reference
