// Makes random system calls with random arguments: numbers of every size, its own handles, good and bad addresses.
//
// Left out is only what would end the experiment by rights: exits, waiting forever, what init hears, and orders to
// overwrite or unmap the component's own code and data.
#include "chaos.h"

#include <needs.h>
#include <starina/syscall_numbers.h>

enum { ARGUMENTS = 6, HANDLES_KEPT = 64, MAPPINGS_KEPT = 8, CALLS_DEFAULT = 1000000 };
enum { SCRATCH_SIZE = 8192, RESULT_SIZE_MAX = 512 }; // of what a call fills in
enum : uint64_t {
    DEADLINE_SPAN_NS = 1000,
    LEVEL_NONE = 1 << 8,
    OWN_SPAN = 16 << 20,    // what the component has lies within so much of its data
    NUMBER_BEYOND = 1 << 6, // one call in so many has a number that there is not
};

typedef struct kernel_result (*entry_t)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
static_assert(sizeof(struct kernel_calls) == SYSCALL_COUNT * sizeof(entry_t));

static handle_t handles[HANDLES_KEPT]; // a ring of what calls returned
static size_t handle_count;
static uint64_t mappings[MAPPINGS_KEPT]; // a ring of addresses of what it mapped
static size_t mapping_count;
static uint8_t scratch[SCRATCH_SIZE + RESULT_SIZE_MAX];

static uint64_t own_handle(void) {
    return handles[random_next() % HANDLES_KEPT];
}

static uint64_t in_scratch(void) {
    return (uintptr_t) scratch + random_next() % SCRATCH_SIZE;
}

static uint64_t address(void) {
    uint64_t random = random_next();
    switch (random % 6) {
    case 0:
        return in_scratch();
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

static bool is_own(uint64_t address) {
    return address - ((uintptr_t) scratch - OWN_SPAN) < 2 * OWN_SPAN;
}

static uint64_t spare_own(uint64_t address, uint64_t instead) {
    return is_own(address) ? instead : address;
}

// Whether the call may be made; tames arguments that would end the experiment.
static bool prepare(uint64_t number, uint64_t arguments[ARGUMENTS]) {
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
    case SYS_VMSPACE_UNMAP:
        arguments[0] = spare_own(arguments[0], mappings[random_next() % MAPPINGS_KEPT]);
        break;
    case SYS_SYSTEM_INFO:
        arguments[0] = spare_own(arguments[0], in_scratch());
        break;
    case SYS_PROCESS_INFO:
        arguments[1] = spare_own(arguments[1], in_scratch());
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

static void keep(uint64_t number, struct kernel_result result) {
    if (result.status == OK && number == SYS_VMSPACE_MAP) {
        mappings[mapping_count++ % MAPPINGS_KEPT] = result.value;
    } else if (result.status == OK && result.value != 0 && result.value != HANDLE_BOOTSTRAP) {
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

// In the kernel's address space there is nothing but the table to call.
static bool can_choose_number(void) {
    uint16_t code_segment;
    __asm__("movw %%cs, %0" : "=r"(code_segment));
    return (code_segment & 3) != 0;
}

// Numbers of every size, of which few are a call's.
static uint64_t choose_number(bool may_be_wrong) {
    uint64_t random = random_next();
    return may_be_wrong && random % NUMBER_BEYOND == 0 ? SYSCALL_COUNT + (random_next() >> random_next() % 64)
                                                       : random_next() % SYSCALL_COUNT;
}

static struct kernel_result call_by_instruction(uint64_t number, const uint64_t a[ARGUMENTS]) {
    register uint64_t r10 __asm__("r10") = a[3], r8 __asm__("r8") = a[4], r9 __asm__("r9") = a[5];
    uint64_t status = number, value = a[2];
    __asm__ volatile("syscall"
                     : "+a"(status), "+d"(value), "+r"(r10), "+r"(r8), "+r"(r9)
                     : "D"(a[0]), "S"(a[1])
                     : "rcx", "r11", "memory");
    return (struct kernel_result) {(status_t) status, value};
}

static struct kernel_result call(uint64_t number, const uint64_t a[ARGUMENTS]) {
    const entry_t *entries = (const entry_t *) kernel_calls;
    if (number >= SYSCALL_COUNT) {
        return call_by_instruction(number, a);
    }
    switch (number) { // these have a calling convention of their own
    case SYS_CHANNEL_CALL:
        return kernel_calls->channel_call(a[0], a[1]);
    case SYS_CHANNEL_REPLY_WAIT:
        return kernel_calls->channel_reply_wait(a[0], a[1], a[2]);
    case SYS_POLL_WAIT:
        return kernel_calls->poll_wait(a[0], a[1]);
    default:
        return entries[number](a[0], a[1], a[2], a[3], a[4], a[5]);
    }
}

int act_syscalls(void) {
    uint64_t wanted = config_u64("count", CALLS_DEFAULT), made = 0, succeeded = 0, beyond = 0;
    bool may_be_wrong = can_choose_number();
    handles[handle_count++] = need_network().handle;
    while (made < wanted) {
        uint64_t a[ARGUMENTS];
        for (size_t i = 0; i < ARGUMENTS; i++) {
            a[i] = argument();
        }
        uint64_t number = choose_number(may_be_wrong);
        if (!prepare(number, a)) {
            continue;
        }
        fill_message();
        struct kernel_result result = call(number, a);
        made++;
        beyond += number >= SYSCALL_COUNT;
        succeeded += result.status == OK;
        keep(number, result);
    }
    log_warn("%llu system calls made, %llu of no call, %llu succeeded", (unsigned long long) made, (unsigned long long) beyond,
             (unsigned long long) succeeded);
    return 0;
}
