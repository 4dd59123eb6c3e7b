// test-with: servers/tcpip/heap.c
// The heap's classes do not starve one another.
#include "heap.h"

#include <test/test.h>

TEST("objects that fill their class leave room for those of all others") {
    const size_t sizes[] = {32, 128, 512, 1120, 1600}; // the largest of each class
    for (size_t full = 0; full < 5; full++) {
        void *first = heap_allocate(sizes[full]), *last = first;
        while (heap_allocate(sizes[full]) != nullptr) {
        }
        EXPECT_EQ(heap_room(sizes[full]), 0);
        for (size_t i = 0; i < full; i++) {
            EXPECT(heap_room(sizes[i]) == 0); // filled in an earlier round
        }
        for (size_t i = full + 1; i < 5; i++) {
            EXPECT(heap_room(sizes[i]) > 0 && heap_room(sizes[i - 1] + 1) > 0);
        }
        heap_free(last);
        EXPECT_EQ(heap_allocate(sizes[full]), first);
    }
}

TEST("a part of each class that data comes from is not for data") {
    const size_t sizes[] = {32, 128, 512, 1120, 1600};
    for (size_t i = 0; i < 5; i++) {
        size_t left = 0;
        while (heap_room(sizes[i]) > 0) {
            EXPECT(heap_allocate(sizes[i]) != nullptr);
        }
        while (heap_allocate(sizes[i]) != nullptr) {
            left++;
        }
        EXPECT(left >= 32);
    }
}

TEST("what no class holds is refused") {
    EXPECT(heap_allocate(33 * 1024 + 1) == nullptr);
    EXPECT_EQ(heap_room(33 * 1024 + 1), 0);
}
