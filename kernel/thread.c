// Threads: a stack and a message buffer in the component's address space, and the registers.
#include "thread.h"

#include "channel.h"
#include "heap.h"
#include "pager.h"
#include "poll.h"
#include "scheduler.h"
#include "syscall.h"
#include "vmspace.h"

enum : uint64_t { STACK_SIZE_MAX = 1 << 20 };

static uint32_t next_id = 1;

// Maps new memory of its own for a thread.
static status_t map_new(struct process *process, uint64_t size, struct folio **out_folio, vaddr_t *out_address) {
    struct folio *folio;
    TRY(folio_create(process->account, size, 0, &folio));
    status_t status = vmspace_map(process->space, folio, 0, folio->size, MAP_READ | MAP_WRITE, out_address);
    object_release(&folio->object); // on success the mapping keeps it
    if (status == OK) {
        *out_folio = folio;
    }
    return status;
}

// The kernel itself uses the buffer's one page, which therefore has to be there.
static status_t map_buffer(struct process *process, struct thread *thread) {
    static_assert(sizeof(struct thread_buffer) <= PAGE_SIZE);
    struct folio *folio;
    struct folio_page page;
    TRY(map_new(process, PAGE_SIZE, &folio, &thread->buffer_address));
    TRY(folio_get_page(folio, 0, true, &page)); // can't fail: it was promised
    thread->buffer = physical_to_kernel(page.physical);
    return OK;
}

static status_t map_memory(struct process *process, struct thread *thread, uint64_t stack_size, vaddr_t *out_stack_top) {
    struct folio *stack;
    TRY(map_new(process, stack_size, &stack, &thread->stack_address));
    status_t status = map_buffer(process, thread);
    if (status != OK) {
        (void) vmspace_unmap(process->space, thread->stack_address);
        return status;
    }
    *out_stack_top = thread->stack_address + stack->size;
    return OK;
}

status_t thread_create(struct process *process, vaddr_t entry, uint64_t stack_size, uint64_t argument,
                       struct thread **out_thread) {
    struct thread *thread = heap_allocate(sizeof(*thread), process->account);
    if (thread == nullptr) {
        return ERR_NO_MEMORY;
    }
    vaddr_t stack_top;
    status_t status = arch_thread_fpu_allocate(&thread->arch, process->account);
    status = status == OK ? map_memory(process, thread, stack_size, &stack_top) : status;
    if (status != OK) {
        arch_thread_free(&thread->arch, process->account);
        heap_free(thread, sizeof(*thread), process->account);
        return status;
    }
    arch_thread_init(&thread->arch, process->space->is_user, entry, stack_top, argument, thread->buffer_address);
    thread->process = process;
    thread->user_space = process->space->is_user ? process->space : nullptr;
    thread->level = scheduler_level(process->priority);
    thread->id = next_id++;
    list_init(&thread->ready_node);
    list_init(&thread->page_node);
    list_push_back(&process->threads, &thread->process_node);
    process->thread_count++;
    *out_thread = thread;
    return OK;
}

void thread_start(struct thread *thread) {
    scheduler_make_ready(thread);
}

static void leave_wait(struct thread *thread) {
    poll_forget_waiter(thread);
    pager_forget_waiter(thread);
    timeout_stop(&thread->timeout);
    if (thread->call_channel != nullptr) {
        thread->call_channel->caller = nullptr;
        thread->call_channel = nullptr;
    }
}

void thread_kill(struct thread *thread) {
    enum thread_state state = thread->state;
    thread->state = THREAD_DEAD;
    switch (state) {
    case THREAD_RUNNING: // freed when it leaves its CPU
        scheduler_kill_running(thread);
        return;
    case THREAD_DEAD:
        return;
    case THREAD_READY:
        scheduler_remove(thread);
        break;
    case THREAD_BLOCKED:
        leave_wait(thread);
        break;
    case THREAD_NEW:
        break;
    }
    thread_free(thread);
}

void thread_free(struct thread *thread) {
    struct process *process = thread->process;
    for (uint32_t i = 0; i < machine_info.cpu_count; i++) {
        if (cpus[i].next == thread || cpus[i].arch.current == thread) {
            panic("thread %u of %s is freed while CPU %u goes on with it", thread->id, process->name, i);
        }
    }
    if (process->state == PROCESS_RUNNING && process->thread_count > 1) {
        (void) vmspace_unmap(process->space, thread->stack_address);
        (void) vmspace_unmap(process->space, thread->buffer_address);
    }
    if (thread->handle_object != nullptr) {
        thread->handle_object->thread = nullptr;
    }
    process_keep_counts(thread);
    list_remove(&thread->process_node);
    arch_thread_free(&thread->arch, process->account);
    heap_free(thread, sizeof(*thread), process->account);
    process_thread_ended(process);
}

void thread_object_destroy(struct object *object) {
    struct thread_object *handle_object = (struct thread_object *) object;
    if (handle_object->thread != nullptr) {
        handle_object->thread->handle_object = nullptr;
    }
    heap_free(handle_object, sizeof(*handle_object), object->account);
}

// --- System calls ---

static status_t add_handle(struct process *process, struct thread_object **out_object, uint64_t *out_handle) {
    struct thread_object *object = heap_allocate(sizeof(*object), process->account);
    if (object == nullptr) {
        return ERR_NO_MEMORY;
    }
    object_init(&object->object, OBJECT_THREAD, process->account);
    *out_object = object;
    return process_add_handle(process, &object->object, RIGHT_TRANSFER | RIGHT_MANAGE, out_handle);
}

status_t sys_thread_create(struct thread *caller, uint64_t entry, uint64_t stack_size, uint64_t argument,
                           uint64_t *out_thread) {
    struct process *process = caller->process;
    if (stack_size == 0 || stack_size > STACK_SIZE_MAX || !vmspace_covers(process->space, entry, 1)) {
        return ERR_INVALID_ARGUMENT;
    }
    struct thread_object *object;
    TRY(add_handle(process, &object, out_thread));
    struct thread *thread;
    status_t status = thread_create(process, entry, stack_size, argument, &thread);
    if (status != OK) {
        process_close_handle(process, (handle_t) *out_thread);
        return status;
    }
    object->thread = thread;
    thread->handle_object = object;
    thread_start(thread);
    return OK;
}

status_t sys_thread_exit(struct thread *thread) {
    thread_kill(thread);
    return STATUS_BLOCKED;
}
