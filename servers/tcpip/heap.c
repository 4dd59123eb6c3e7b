// lwIP's memory: a few sizes of objects, a fixed number of each, so that one use can't starve another.
//
// Objects are cut off their range when first needed and go through a free list after that: memory that was never used
// is never touched. All callers are in this component and are trusted.
#include "heap.h"

#include <starina/component.h>

struct free_object {
    struct free_object *next;
};

struct size_class {
    uint32_t size;
    uint32_t count;
    uint8_t *memory;
    struct free_object *free;
    uint32_t used;
    uint32_t fresh; // objects from here on were never used
};

enum : size_t {
    ALIGNMENT = 16,
    CLASS_COUNT = 5,
    RESERVE = 8, // this part of each class is not for data
};

static struct {
    alignas(ALIGNMENT) uint8_t segments[8192][32];  // descriptors of segments and of borrowed data
    alignas(ALIGNMENT) uint8_t headers[4608][128];  // headers, packets without data, small objects
    alignas(ALIGNMENT) uint8_t smalls[1408][512];   // connections, and packets of about their size
    alignas(ALIGNMENT) uint8_t messages[768][1120]; // a full `write` of a stream with its headers
    alignas(ALIGNMENT) uint8_t packets[256][1600];  // a full Ethernet frame
} memory;

#define CLASS(objects) {.size = sizeof(objects[0]), .count = sizeof(objects) / sizeof(objects[0]), .memory = objects[0]}

static struct size_class classes[CLASS_COUNT] = {
    CLASS(memory.segments), CLASS(memory.headers), CLASS(memory.smalls), CLASS(memory.messages), CLASS(memory.packets),
};

static struct size_class *class_for(size_t size) {
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        if (size <= classes[i].size) {
            return &classes[i];
        }
    }
    return nullptr;
}

// The classes' memory lies in their order.
static struct size_class *class_of(const uint8_t *object) {
    size_t i = CLASS_COUNT - 1;
    while (object < classes[i].memory) {
        i--;
    }
    return &classes[i];
}

void *heap_allocate(size_t size) {
    struct size_class *class = class_for(size);
    if (class == nullptr || class->used == class->count) {
        return nullptr;
    }
    class->used++;
    struct free_object *object = class->free;
    if (object == nullptr) {
        return class->memory + (size_t) class->fresh++ * class->size;
    }
    class->free = object->next;
    return object;
}

void *heap_allocate_zeroed(size_t count, size_t size) {
    void *object = heap_allocate(count * size);
    if (object != nullptr) {
        mem_zero(object, count * size);
    }
    return object;
}

void heap_free(void *freed) {
    struct size_class *class = class_of(freed);
    struct free_object *object = freed;
    object->next = class->free;
    class->free = object;
    class->used--;
}

uint32_t heap_room(size_t size) {
    const struct size_class *class = class_for(size);
    uint32_t taken = class != nullptr ? class->used + class->count / RESERVE : 0;
    return class != nullptr && taken < class->count ? class->count - taken : 0;
}
