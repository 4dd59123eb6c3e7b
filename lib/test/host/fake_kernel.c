// A kernel on the host for tests of components.
#include "fake_kernel.h"

#include <starina/syscalls.h>

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { OBJECTS_MAX = 512 }; // a power of two
enum object_type { OBJECT_NONE, OBJECT_CHANNEL, OBJECT_POLL, OBJECT_FOLIO, OBJECT_TIMER };

// Its index and generation are its handle.
struct object {
    enum object_type type;
    uint16_t generation;
    bool is_watched, is_paused, is_close_told, is_writable, wants_room;
    uint64_t key;
    struct object *peer; // channels; nullptr: closed
    struct message queue[FAKE_QUEUE_MAX];
    size_t count, limit;
    nsec_t deadline; // timers
    uint64_t size;   // folios
    uint8_t *memory; // folios; lasts until the next reset
};

// Memory of its own kind in the host's address space: what uses it after it was unmapped crashes.
struct mapping {
    uint8_t *address;
    uint64_t size;
};

static struct object objects[OBJECTS_MAX];
static struct thread_buffer buffer;
static size_t object_end = 1; // objects from here on were never used
static struct mapping memories[OBJECTS_MAX], mappings[OBJECTS_MAX];
static size_t memory_count, mapping_count, timer_set_count, pin_count;
static nsec_t now;
static channel_t supervisor;
static jmp_buf exit_point;
static bool can_exit, has_exited, refuses_watches;
static size_t wrong_closes;
static int64_t exit_code;
static uint32_t next_transaction;

extern const struct kernel_calls *kernel_calls;
extern struct thread_buffer *thread_buffer;
void dispatch(const struct event *event);

static struct kernel_result result(status_t status, uint64_t value) {
    return (struct kernel_result) {status, value};
}

static handle_t handle_of(const struct object *object) {
    return (handle_t) (object - objects) | (handle_t) object->generation << 16;
}

static struct object *find(uint64_t handle) {
    struct object *object = &objects[handle % OBJECTS_MAX];
    bool is_it = object != objects && object->type != OBJECT_NONE && handle_of(object) == handle;
    return is_it ? object : nullptr;
}

static struct object *create(enum object_type type) {
    for (size_t i = 1; i < OBJECTS_MAX; i++) {
        if (objects[i].type == OBJECT_NONE) {
            uint16_t generation = objects[i].generation + 1;
            objects[i] = (struct object) {.type = type, .generation = generation, .limit = FAKE_QUEUE_MAX};
            objects[i].deadline = DEADLINE_NEVER;
            object_end = i < object_end ? object_end : i + 1;
            return &objects[i];
        }
    }
    abort();
}

static struct kernel_result fake_handle_close(uint64_t handle) {
    struct object *object = find(handle);
    if (object == nullptr) {
        wrong_closes++;
        return result(ERR_BAD_HANDLE, 0);
    }
    if (object->peer != nullptr) {
        object->peer->is_writable |= object->wants_room;
        object->peer->peer = nullptr;
    }
    object->type = OBJECT_NONE;
    return result(OK, 0);
}

// Of folios alone, which mappings keep as they are.
static struct kernel_result fake_handle_duplicate(uint64_t handle, uint64_t rights) {
    (void) rights;
    const struct object *original = find(handle);
    if (original == nullptr || original->type != OBJECT_FOLIO) {
        return result(ERR_BAD_HANDLE, 0);
    }
    struct object *copy = create(OBJECT_FOLIO);
    copy->size = original->size;
    copy->memory = original->memory;
    return result(OK, handle_of(copy));
}

// --- Channels ---

static status_t send(struct object *end, const struct message *message) {
    if (end->peer == nullptr) {
        return ERR_CLOSED;
    }
    for (size_t i = 0; i < message->header.handle_count; i++) {
        if (find(message->header.handles[i]) == nullptr) {
            return ERR_BAD_HANDLE;
        }
    }
    if (end->peer->count >= end->peer->limit) {
        end->peer->wants_room = true;
        return ERR_FULL;
    }
    end->peer->queue[end->peer->count++] = *message;
    return OK;
}

static void receive(struct object *end, struct message *out_message) {
    *out_message = end->queue[0];
    memmove(end->queue, end->queue + 1, --end->count * sizeof(end->queue[0]));
    if (end->wants_room && end->count < end->limit && end->peer != nullptr) {
        end->wants_room = false;
        end->peer->is_writable = true;
    }
}

static struct kernel_result fake_channel_send(uint64_t handle) {
    struct object *end = find(handle);
    return result(end != nullptr ? send(end, &buffer.out) : ERR_BAD_HANDLE, 0);
}

// The test has queued the reply beforehand: nobody runs meanwhile.
[[clang::preserve_none]] static struct kernel_result fake_channel_call(uint64_t handle, uint64_t deadline) {
    (void) deadline;
    struct object *end = find(handle);
    if (end == nullptr) {
        return result(ERR_BAD_HANDLE, 0);
    }
    buffer.out.header.transaction = TRANSACTION_KERNEL | next_transaction++;
    status_t status = send(end, &buffer.out);
    if (status == OK && end->count == 0) {
        status = ERR_TIMED_OUT;
    }
    if (status == OK) {
        receive(end, &buffer.reply);
    }
    return result(status, 0);
}

// --- Polls ---

static struct kernel_result fake_poll_create(void) {
    return result(OK, handle_of(create(OBJECT_POLL)));
}

static struct kernel_result fake_poll_add(uint64_t poll, uint64_t handle, uint64_t key) {
    struct object *object = find(handle);
    if (find(poll) == nullptr || object == nullptr) {
        return result(ERR_BAD_HANDLE, 0);
    }
    if (object->is_watched || refuses_watches) {
        return result(object->is_watched ? ERR_BUSY : ERR_NO_MEMORY, 0);
    }
    object->is_watched = true;
    object->is_paused = false;
    object->key = key;
    return result(OK, 0);
}

static struct kernel_result fake_poll_remove(uint64_t poll, uint64_t handle) {
    (void) poll;
    struct object *object = find(handle);
    if (object == nullptr || !object->is_watched) {
        return result(ERR_NOT_FOUND, 0);
    }
    object->is_watched = false;
    return result(OK, 0);
}

static struct kernel_result fake_poll_pause(uint64_t poll, uint64_t handle, uint64_t paused) {
    (void) poll;
    struct object *object = find(handle);
    if (object == nullptr || !object->is_watched) {
        return result(ERR_NOT_FOUND, 0);
    }
    object->is_paused = paused != 0;
    return result(OK, 0);
}

static bool collect_channel(struct object *end) {
    if (end->is_writable) {
        end->is_writable = false;
        buffer.event.kind = EVENT_WRITABLE;
        return true;
    }
    if (end->count != 0) {
        const struct message_header *first = &end->queue[0].header;
        bool is_reply = (first->kind & MESSAGE_CLASS_MASK) == MESSAGE_REPLY;
        bool is_answer = is_reply && (first->transaction & TRANSACTION_KERNEL) != 0; // to a call that is to come
        if (!end->is_paused && !is_answer) {
            receive(end, &buffer.in);
            buffer.event.kind = EVENT_MESSAGE;
        }
        return !end->is_paused && !is_answer;
    }
    bool is_closed = end->peer == nullptr && !end->is_close_told;
    end->is_close_told |= is_closed;
    buffer.event.kind = EVENT_CLOSED;
    return is_closed;
}

static bool collect(struct object *object) {
    buffer.event = (struct event) {.key = object->key};
    if (object->type == OBJECT_CHANNEL) {
        return collect_channel(object);
    }
    bool is_due = object->type == OBJECT_TIMER && object->deadline <= now;
    if (is_due) {
        object->deadline = DEADLINE_NEVER;
        buffer.event.kind = EVENT_TIMER;
        buffer.event.value = 1;
    }
    return is_due;
}

// --- The rest ---

static struct kernel_result fake_channel_create(uint64_t capacity) {
    (void) capacity;
    channel_t first, second;
    fake_channel_pair(&first, &second);
    return result(OK, first.handle | (uint64_t) second.handle << 32);
}

static struct kernel_result fake_folio_create(uint64_t size, uint64_t flags) {
    (void) flags;
    struct mapping memory = {.size = (size + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE};
    memory.address = mmap(nullptr, memory.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory_count == OBJECTS_MAX || memory.address == MAP_FAILED) {
        return result(ERR_NO_MEMORY, 0);
    }
    struct object *folio = create(OBJECT_FOLIO);
    folio->size = memory.size;
    folio->memory = memory.address;
    memories[memory_count++] = memory;
    return result(OK, handle_of(folio));
}

static struct kernel_result fake_folio_info(uint64_t handle) {
    const struct object *folio = find(handle);
    return folio != nullptr ? result(OK, folio->size) : result(ERR_BAD_HANDLE, 0);
}

static struct kernel_result fake_folio_dma_address(uint64_t handle, uint64_t device, uint64_t offset) {
    (void) device;
    const struct object *folio = find(handle);
    if (folio == nullptr || offset >= folio->size) {
        return result(folio != nullptr ? ERR_INVALID_ARGUMENT : ERR_BAD_HANDLE, 0);
    }
    pin_count++;
    return result(OK, (uint64_t) (uintptr_t) folio->memory + offset);
}

static struct kernel_result fake_folio_dma_end(uint64_t handle) {
    if (find(handle) == nullptr || pin_count == 0) {
        return result(ERR_NOT_FOUND, 0);
    }
    pin_count--;
    return result(OK, 0);
}

static struct kernel_result fake_vmspace_map(uint64_t handle, uint64_t offset, uint64_t size, uint64_t flags) {
    (void) flags;
    const struct object *folio = find(handle);
    if (folio == nullptr || mapping_count == OBJECTS_MAX) {
        return result(ERR_BAD_HANDLE, 0);
    }
    if (offset % PAGE_SIZE != 0 || offset > folio->size || size > folio->size - offset) {
        return result(ERR_INVALID_ARGUMENT, 0);
    }
    struct mapping mapping = {.size = (size + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE};
    mapping.address = mremap(folio->memory + offset, 0, mapping.size, MREMAP_MAYMOVE); // the same pages once more
    if (mapping.address == MAP_FAILED) {
        return result(ERR_NO_MEMORY, 0);
    }
    mappings[mapping_count++] = mapping;
    return result(OK, (uint64_t) (uintptr_t) mapping.address);
}

static struct kernel_result fake_vmspace_unmap(uint64_t address) {
    for (size_t i = 0; i < mapping_count; i++) {
        if ((uintptr_t) mappings[i].address == address) {
            munmap(mappings[i].address, mappings[i].size);
            mappings[i] = mappings[--mapping_count];
            return result(OK, 0);
        }
    }
    return result(ERR_NOT_FOUND, 0);
}

static struct kernel_result fake_random_u64(void) {
    static uint64_t state = 1; // the same in each run
    state = state * 6364136223846793005 + 1442695040888963407;
    return result(OK, state ^ state >> 32);
}

static struct kernel_result fake_process_exit(uint64_t code) {
    has_exited = true;
    exit_code = (int64_t) code;
    if (!can_exit) {
        abort();
    }
    longjmp(exit_point, 1);
}

static struct kernel_result fake_timer_create(void) {
    return result(OK, handle_of(create(OBJECT_TIMER)));
}

static struct kernel_result fake_timer_set(uint64_t handle, uint64_t deadline) {
    struct object *timer = find(handle);
    timer_set_count++;
    timer->deadline = deadline;
    return result(OK, 0);
}

static struct kernel_result fake_clock_now(void) {
    return result(OK, now);
}

static struct kernel_result fake_log_write(uint64_t level, uint64_t text, uint64_t size) {
    printf("  [%d] %.*s\n", (int) level, (int) size, (const char *) (uintptr_t) text);
    return result(OK, 0);
}

static const struct kernel_calls fake_calls = {
    .handle_close = fake_handle_close,
    .handle_duplicate = fake_handle_duplicate,
    .channel_send = fake_channel_send,
    .channel_call = fake_channel_call,
    .poll_create = fake_poll_create,
    .poll_add = fake_poll_add,
    .poll_remove = fake_poll_remove,
    .poll_pause = fake_poll_pause,
    .channel_create = fake_channel_create,
    .folio_create = fake_folio_create,
    .folio_info = fake_folio_info,
    .folio_dma_address = fake_folio_dma_address,
    .folio_dma_end = fake_folio_dma_end,
    .vmspace_map = fake_vmspace_map,
    .vmspace_unmap = fake_vmspace_unmap,
    .random_u64 = fake_random_u64,
    .process_exit = fake_process_exit,
    .timer_create = fake_timer_create,
    .timer_set = fake_timer_set,
    .clock_now = fake_clock_now,
    .log_write = fake_log_write,
};

// --- For tests ---

void fake_kernel_reset(void) {
    for (size_t i = 0; i < memory_count; i++) {
        munmap(memories[i].address, memories[i].size);
    }
    memset(objects, 0, object_end * sizeof(objects[0]));
    object_end = 1;
    memory_count = mapping_count = timer_set_count = pin_count = 0;
    now = NSEC_PER_SEC;
    has_exited = refuses_watches = false;
    wrong_closes = 0;
    kernel_calls = &fake_calls;
    thread_buffer = &buffer;
    channel_t bootstrap;
    fake_channel_pair(&bootstrap, &supervisor); // the first object: HANDLE_BOOTSTRAP
}

void fake_channel_pair(channel_t *component_end, channel_t *test_end) {
    struct object *first = create(OBJECT_CHANNEL), *second = create(OBJECT_CHANNEL);
    first->peer = second;
    second->peer = first;
    *component_end = (channel_t) {handle_of(first)};
    *test_end = (channel_t) {handle_of(second)};
}

void fake_channel_limit(channel_t test_end, size_t messages) {
    find(test_end.handle)->limit = messages;
}

void fake_send(channel_t test_end, const struct message *message) {
    if (send(find(test_end.handle), message) != OK) {
        abort();
    }
}

bool fake_receive(channel_t test_end, struct message *out_message) {
    struct object *end = find(test_end.handle);
    if (end->count == 0) {
        return false;
    }
    receive(end, out_message);
    return true;
}

size_t fake_queued(channel_t test_end) {
    const struct object *peer = find(test_end.handle)->peer;
    return peer != nullptr ? peer->count : 0;
}

void fake_close(channel_t test_end) {
    fake_handle_close(test_end.handle);
}

bool fake_has_peer(channel_t test_end) {
    return find(test_end.handle)->peer != nullptr;
}

channel_t fake_bootstrap(void) {
    return supervisor;
}

static bool next_event(void) {
    for (size_t i = 1; i < object_end; i++) {
        if (objects[i].type != OBJECT_NONE && objects[i].is_watched && collect(&objects[i])) {
            return true;
        }
    }
    return false;
}

void fake_run(void) {
    can_exit = true;
    if (setjmp(exit_point) == 0) {
        while (!has_exited && next_event()) {
            struct event event = buffer.event;
            dispatch(&event);
        }
    }
    can_exit = false;
}

void fake_advance(nsec_t ns) {
    now += ns;
    fake_run();
}

void fake_refuse_watches(bool refuses) {
    refuses_watches = refuses;
}

size_t fake_wrong_closes(void) {
    return wrong_closes;
}

bool fake_is_open(handle_t handle) {
    return find(handle) != nullptr;
}

size_t fake_open_handles(void) {
    size_t count = 0;
    for (size_t i = 1; i < object_end; i++) {
        count += objects[i].type != OBJECT_NONE;
    }
    return count;
}

uint8_t *fake_folio_memory(folio_t folio) {
    return find(folio.handle)->memory;
}

size_t fake_pins(void) {
    return pin_count;
}

size_t fake_mappings(void) {
    return mapping_count;
}

size_t fake_timer_sets(void) {
    return timer_set_count;
}

bool fake_exited(int64_t *out_code) {
    *out_code = exit_code;
    return has_exited;
}
