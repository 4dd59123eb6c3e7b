// The floor's virtio network card: its two queues, and what it offers. It is trusted.
#pragma once

#include <stdint.h>

enum { ENTRIES = 256, SENDS = ENTRIES / 2, PAGE = 4096, FRAME_MAX = 2048 };
enum : uint16_t { NEXT = 1, WRITE = 2, NO_INTERRUPT = 1, NO_NOTIFY = 1 };
enum { RECEIVE, SEND };

struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};
struct available {
    uint16_t flags;
    uint16_t index;
    uint16_t ring[ENTRIES];
};
struct used {
    uint16_t flags;
    uint16_t index;
    struct {
        uint32_t id;
        uint32_t length;
    } ring[ENTRIES];
};

struct queue {
    struct descriptor descriptors[ENTRIES];
    volatile struct available available;
    [[gnu::aligned(PAGE)]] volatile struct used used;
};

extern struct queue queues[2];
extern uint8_t received[ENTRIES][FRAME_MAX];
extern uint8_t own_mac[6];
extern bool has_checksum, has_segmentation;

// Finds the card, routes its interrupt to this CPU and gives it the queues, RECEIVE's full of buffers.
void device_start(void);
void device_notify(uint32_t queue);
void console_print(const char *text);

static inline void compiler_barrier(void) {
    __asm__ volatile("" ::: "memory"); // x86 keeps the order of stores
}
