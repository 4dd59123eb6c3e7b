// Makes random system calls with random arguments: numbers of every size, its own handles, good and bad addresses.
//
// Left out is only what would end the experiment by rights: exits, waiting forever, and what init hears.
#include "chaos.h"

#include <needs.h>
#include <starina/syscall_numbers.h>

enum { ARGUMENTS = 6, HANDLES_KEPT = 64, SCRATCH_SIZE = 8192, CALLS_DEFAULT = 1000000 };
enum : uint64_t { DEADLINE_SPAN_NS = 1000, LEVEL_NONE = 1 << 8 };

typedef struct kernel_result (*entry_t)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
static_assert(sizeof(struct kernel_calls) == SYSCALL_COUNT * sizeof(entry_t));

static handle_t handles[HANDLES_KEPT]; // a ring of what calls returned
static size_t handle_count;
static uint8_t scratch[SCRATCH_SIZE];

static uint64_t own_handle(void) {
    return handles[random_next() % HANDLES_KEPT];
}

static uint64_t address(void) {
    uint64_t random = random_next();
    switch (random % 6) {
    case 0:
        return (uintptr_t) scratch + random_next() % SCRATCH_SIZE;
    case 1:
        return random_next() % PAGE_SIZE;
    case 2:
        return 0xffffffff80000000 + random_next() % (16 << 20); // the kernel's image
    case 3:
        return 0xffff800000000000 + random_next() % (64 << 20);
    case 4:
        return 0x00007ffffffff000 - random_next() % PAGE_SIZE + random_next() % PAGE_SIZE; // the end of the lower half
    default:
        return (uintptr_t) scratch ^ 1ull << random_next() % 64;
    }
}

static uint64_t argument(void) {
    switch (random_next() % 5) {
    case 0:
        return own_handle();
    case 1:
        return address();
    case 2:
        return random_next() % 64;
    case 3:
        return random_next() >> random_next() % 64;
    default:
        return 0 - random_next() % 64;
    }
}

// Whether the call may be made; tames arguments that would end the experiment.
static bool prepare(uint32_t number, uint64_t arguments[ARGUMENTS]) {
    switch (number) {
    case SYS_PROCESS_EXIT:
    case SYS_THREAD_EXIT:
        return false;
    case SYS_CHANNEL_CALL:
    case SYS_POLL_WAIT:
        arguments[1] %= DEADLINE_SPAN_NS; // long ago
        break;
    case SYS_LOG_WRITE:
        arguments[0] |= LEVEL_NONE; // nobody reads a million lines
        break;
    case SYS_THREAD_CREATE:
        arguments[0] %= PAGE_SIZE; // a thread of its own that faults is another act
        break;
    default:
        break;
    }
    for (size_t i = 0; i < ARGUMENTS; i++) {
        if ((handle_t) arguments[i] == HANDLE_BOOTSTRAP) {
            return false;
        }
    }
    return true;
}

static void keep(struct kernel_result result) {
    if (result.status == OK && result.value != 0 && result.value != HANDLE_BOOTSTRAP) {
        handles[handle_count++ % HANDLES_KEPT] = (handle_t) result.value;
        handles[handle_count++ % HANDLES_KEPT] = (handle_t) (result.value >> 32); // a channel's other end
    }
}

// What is sent: sometimes a message with handles of its own.
static void fill_message(void) {
    struct message_header *header = &message_out()->header;
    header->kind = (uint32_t) random_next();
    header->length = (uint16_t) (random_next() >> random_next() % 64);
    header->handle_count = (uint16_t) (random_next() % 6);
    for (size_t i = 0; i < MESSAGE_HANDLES_MAX; i++) {
        header->handles[i] = (handle_t) own_handle();
    }
}

int act_syscalls(void) {
    const entry_t *entries = (const entry_t *) kernel_calls;
    uint64_t wanted = config_u64("count", CALLS_DEFAULT), made = 0, succeeded = 0;
    handles[handle_count++] = need_network().handle;
    while (made < wanted) {
        uint64_t a[ARGUMENTS];
        for (size_t i = 0; i < ARGUMENTS; i++) {
            a[i] = argument();
        }
        uint32_t number = (uint32_t) (random_next() % SYSCALL_COUNT);
        if (!prepare(number, a)) {
            continue;
        }
        fill_message();
        struct kernel_result result = entries[number](a[0], a[1], a[2], a[3], a[4], a[5]);
        made++;
        succeeded += result.status == OK;
        keep(result);
    }
    log_warn("%llu system calls made, %llu succeeded", (unsigned long long) made, (unsigned long long) succeeded);
    return 0;
}
