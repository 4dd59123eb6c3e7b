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
};

struct supply {
    struct free_object *free;
    uint32_t used;
    uint32_t fresh; // objects from here on were never used
};

enum : size_t {
    ALIGNMENT = 16,
    CLASS_COUNT = 6,
    RESERVE = 8, // this part of each class is not for data
};

static struct {
    alignas(ALIGNMENT) uint8_t segments[8192][32];  // descriptors of segments and of borrowed data
    alignas(ALIGNMENT) uint8_t headers[4608][128];  // headers, packets without data, small objects
    alignas(ALIGNMENT) uint8_t smalls[1408][512];   // connections, and packets of about their size
    alignas(ALIGNMENT) uint8_t messages[768][1120]; // a full `write` of a stream with its headers
    alignas(ALIGNMENT) uint8_t packets[256][1600];  // a full Ethernet frame
    alignas(ALIGNMENT) uint8_t rests[4][33 * 1024]; // of a large segment, when its beginning has to go alone
} memory;

#define CLASS(objects) {.size = sizeof(objects[0]), .count = sizeof(objects) / sizeof(objects[0]), .memory = objects[0]}

static const struct size_class classes[CLASS_COUNT] = {
    CLASS(memory.segments), CLASS(memory.headers), CLASS(memory.smalls),
    CLASS(memory.messages), CLASS(memory.packets), CLASS(memory.rests),
};
static struct supply supplies[CLASS_COUNT];

// CLASS_COUNT: no class has objects so large.
static inline size_t class_for(size_t size) {
    size_t i = 0;
    while (i < CLASS_COUNT && size > classes[i].size) {
        i++;
    }
    return i;
}

// The classes' memory lies in their order.
static inline size_t class_of(const uint8_t *object) {
    size_t i = 0;
    while (i + 1 < CLASS_COUNT && object >= classes[i + 1].memory) {
        i++;
    }
    return i;
}

void *heap_allocate(size_t size) {
    size_t class = class_for(size);
    if (class == CLASS_COUNT || supplies[class].used == classes[class].count) {
        return nullptr;
    }
    struct supply *supply = &supplies[class];
    supply->used++;
    struct free_object *object = supply->free;
    if (object == nullptr) {
        return classes[class].memory + (size_t) supply->fresh++ * classes[class].size;
    }
    supply->free = object->next;
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
    struct supply *supply = &supplies[class_of(freed)];
    struct free_object *object = freed;
    object->next = supply->free;
    supply->free = object;
    supply->used--;
}

uint32_t heap_room(size_t size) {
    size_t class = class_for(size);
    if (class == CLASS_COUNT) {
        return 0;
    }
    uint32_t count = classes[class].count, taken = supplies[class].used + count / RESERVE;
    return taken < count ? count - taken : 0;
}
