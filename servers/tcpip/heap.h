// lwIP's memory: a few sizes of objects, a fixed number of each.
#pragma once

#include <stddef.h>
#include <stdint.h>

void *heap_allocate(size_t size); // nullptr when that size is used up
void *heap_allocate_zeroed(size_t count, size_t size);
void heap_free(void *memory); // only what heap_allocate returned, once

// How many more objects of this size data may take: some are kept for what opens, acknowledges and ends connections.
// Whoever holds many takes only a part of what is left, so that nothing is ever used up by one connection.
uint32_t heap_room(size_t size);
