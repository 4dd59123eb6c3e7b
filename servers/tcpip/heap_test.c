// test-with: servers/tcpip/heap.c
// The heap's classes do not starve one another.
#include <lwip/tcp.h>

#include "heap.h"

#include <test/test.h>

TEST("connections that fill their class leave room for packets of about their size") {
    size_t count = 0;
    while (heap_allocate(sizeof(struct tcp_pcb)) != nullptr) {
        count++;
    }
    EXPECT(count >= 512);
    for (size_t size = 1; size <= 1600; size++) {
        void *object = heap_allocate(size);
        bool is_connection = object == nullptr;
        EXPECT(!is_connection || LWIP_MEM_ALIGN_SIZE(size) == LWIP_MEM_ALIGN_SIZE(sizeof(struct tcp_pcb)));
        if (object != nullptr) {
            heap_free(object);
        }
    }
}
