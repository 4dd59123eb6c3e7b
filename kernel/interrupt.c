// Interrupt objects. The kernel counts and tells; drivers handle.
//
// A level-triggered line stays masked until the driver has quieted the device and acknowledges. Edges and messages are
// never masked, because one that came meanwhile would be lost.
#include "interrupt.h"

#include "heap.h"
#include "scheduler.h"
#include "syscall.h"
#include "trace.h"

enum : uint32_t { LINE_NONE = UINT32_MAX };
enum { VECTOR_COUNT = 256 };

static struct interrupt *by_vector[VECTOR_COUNT];
static bool line_is_taken[LINES_MAX];

uint64_t interrupt_count, interrupt_timer_count;

void interrupt_destroy(struct object *object) {
    struct interrupt *interrupt = (struct interrupt *) object;
    if (interrupt->line != LINE_NONE) {
        arch_line_mask(interrupt->line, true);
        line_is_taken[interrupt->line] = false;
    }
    by_vector[interrupt->vector] = nullptr;
    arch_vector_free(interrupt->vector);
    watch_end(&interrupt->watch);
    heap_free(interrupt, sizeof(*interrupt), object->account);
}

bool interrupt_has_news(const struct interrupt *interrupt) {
    return interrupt->count > 0;
}

bool interrupt_collect(struct interrupt *interrupt, struct thread *thread) {
    if (interrupt->count == 0) {
        return false;
    }
    thread->buffer->event.kind = EVENT_INTERRUPT;
    thread->buffer->event.value = interrupt->count;
    interrupt->count = 0;
    return true;
}

[[noreturn]] void kernel_on_interrupt(unsigned vector) {
    interrupt_count++;
    trace(TRACE_INTERRUPT, vector, 0);
    struct interrupt *interrupt = by_vector[vector];
    if (interrupt != nullptr && interrupt->is_level) {
        arch_line_mask(interrupt->line, true);
    }
    arch_interrupt_end();
    if (interrupt != nullptr) {
        interrupt->count++;
        watch_signal(&interrupt->watch);
    }
    scheduler_leave_kernel();
}

// --- System calls ---

static status_t create(struct process *process, uint32_t line, bool is_level, struct interrupt **out_interrupt) {
    struct interrupt *interrupt = heap_allocate(sizeof(*interrupt), process->account);
    if (interrupt == nullptr) {
        return ERR_NO_MEMORY;
    }
    status_t status = arch_vector_allocate(&interrupt->vector);
    if (status != OK) {
        heap_free(interrupt, sizeof(*interrupt), process->account);
        return status;
    }
    object_init(&interrupt->object, OBJECT_INTERRUPT, process->account);
    watch_init(&interrupt->watch, &interrupt->object);
    interrupt->line = line;
    interrupt->is_level = is_level;
    by_vector[interrupt->vector] = interrupt;
    *out_interrupt = interrupt;
    return OK;
}

enum : uint32_t { INTERRUPT_RIGHTS = RIGHT_WRITE | RIGHT_WAIT | RIGHT_TRANSFER };

status_t sys_interrupt_create(struct thread *thread, handle_t resource, uint32_t line, uint32_t flags,
                              uint64_t *out_interrupt) {
    struct object *object;
    TRY(handle_get(&thread->process->handles, resource, OBJECT_RESOURCE, 0, &object));
    if (line >= LINES_MAX || (flags & ~(INTERRUPT_LEVEL | INTERRUPT_ACTIVE_LOW)) != 0) {
        return ERR_INVALID_ARGUMENT;
    }
    if (line_is_taken[line]) {
        return ERR_BUSY;
    }
    struct interrupt *interrupt;
    TRY(create(thread->process, LINE_NONE, (flags & INTERRUPT_LEVEL) != 0, &interrupt));
    status_t status = arch_line_route(line, interrupt->vector, flags);
    if (status != OK) {
        object_release(&interrupt->object);
        return status;
    }
    interrupt->line = line;
    line_is_taken[line] = true;
    return process_add_handle(thread->process, &interrupt->object, INTERRUPT_RIGHTS, out_interrupt);
}

status_t sys_interrupt_create_msi(struct thread *thread, handle_t resource, uint64_t *out_interrupt) {
    struct object *object;
    TRY(handle_get(&thread->process->handles, resource, OBJECT_RESOURCE, 0, &object));
    struct interrupt *interrupt;
    TRY(create(thread->process, LINE_NONE, false, &interrupt));
    return process_add_handle(thread->process, &interrupt->object, INTERRUPT_RIGHTS, out_interrupt);
}

static status_t find(struct thread *thread, handle_t handle, uint32_t rights, struct interrupt **out_interrupt) {
    struct object *object;
    TRY(handle_get(&thread->process->handles, handle, OBJECT_INTERRUPT, rights, &object));
    *out_interrupt = (struct interrupt *) object;
    return OK;
}

status_t sys_interrupt_message(struct thread *thread, handle_t handle, uint64_t *out_message) {
    struct interrupt *interrupt;
    TRY(find(thread, handle, 0, &interrupt));
    if (interrupt->line != LINE_NONE) {
        return ERR_WRONG_TYPE;
    }
    uint32_t address, data;
    arch_vector_message(interrupt->vector, &address, &data);
    *out_message = address | (uint64_t) data << 32;
    return OK;
}

status_t sys_interrupt_acknowledge(struct thread *thread, handle_t handle) {
    struct interrupt *interrupt;
    TRY(find(thread, handle, RIGHT_WRITE, &interrupt));
    if (interrupt->line != LINE_NONE && (interrupt->is_level || !interrupt->is_enabled)) {
        arch_line_mask(interrupt->line, false);
    }
    interrupt->is_enabled = true;
    return OK;
}
