// Processes: their creation from an ELF file, their end, and what can be asked about them.
//
// A running process holds a reference to itself, so closing its last handle does not end it.
#include "process.h"

#include "channel.h"
#include "elf.h"
#include "folio.h"
#include "heap.h"
#include "memory.h"
#include "scheduler.h"
#include "syscall.h"
#include "trace.h"
#include "vmspace.h"

enum : uint32_t { STACK_SIZE_MAX = 1 << 20 };
enum : uint64_t { MEMORY_LIMIT_MIN = 64 * 1024 };

static uint32_t next_id = 1;

// --- Creation ---

// It stands in the log, where it must not look like something else.
static bool is_name(const char name[NAME_MAX_LENGTH + 1]) {
    size_t length = strnlen(name, NAME_MAX_LENGTH + 1);
    for (size_t i = 0; i < length; i++) {
        if (name[i] <= ' ' || name[i] >= 0x7f) {
            return false;
        }
    }
    return length > 0 && length <= NAME_MAX_LENGTH;
}

static status_t check_config(const struct process_config *config) {
    bool is_limited =
        config->memory_limit >= MEMORY_LIMIT_MIN && config->handle_limit > 0 && config->handle_limit <= HANDLE_LIMIT_MAX;
    bool is_runnable = config->priority < PRIORITY_COUNT && config->stack_size > 0 && config->stack_size <= STACK_SIZE_MAX;
    return is_name(config->name) && is_limited && is_runnable && isolation_of_mode(config->isolation) != nullptr
               ? OK
               : ERR_INVALID_ARGUMENT;
}

static struct process *allocate(const struct process_config *config, struct account *account) {
    struct process *process = heap_allocate(sizeof(*process), account);
    if (process == nullptr) {
        return nullptr;
    }
    object_init(&process->object, OBJECT_PROCESS, account);
    process->account = account;
    process->id = next_id++;
    process->isolation = config->isolation;
    process->priority = (uint8_t) config->priority;
    memcpy(process->name, config->name, sizeof(process->name));
    list_init(&process->channels);
    list_init(&process->threads);
    list_init(&process->pins);
    watch_init(&process->watch, &process->object);
    return process;
}

static status_t load(struct process *process, const struct process_config *config, struct folio *image) {
    TRY(handle_table_init(&process->handles, config->handle_limit, process->account));
    const struct isolation *isolation = isolation_of_mode(config->isolation);
    TRY(vmspace_create(isolation, process->account, &process->space));
    vaddr_t entry;
    TRY(elf_load(process->space, image, config->image_offset, config->image_size, &process->load_base, &entry));
    struct thread *thread;
    return thread_create(process, entry, config->stack_size, isolation->call_table(), &thread);
}

status_t process_create(const struct process_config *config, struct object *image, struct process **out_process) {
    TRY(check_config(config));
    struct folio *folio = (struct folio *) image;
    if (folio->kind == FOLIO_DEVICE || config->image_offset % PAGE_SIZE != 0 ||
        !folio_holds(folio, config->image_offset, config->image_size)) {
        return ERR_INVALID_ARGUMENT;
    }
    struct account *account = account_create(config->memory_limit);
    struct process *process = account != nullptr ? allocate(config, account) : nullptr;
    if (process == nullptr) {
        if (account != nullptr) {
            account_close(account);
        }
        return ERR_NO_MEMORY;
    }
    status_t status = load(process, config, folio);
    if (status != OK) {
        object_release(&process->object);
        return status;
    }
    trace_process(process->id, process->name);
    *out_process = process;
    return OK;
}

void process_start(struct process *process) {
    process->state = PROCESS_RUNNING;
    object_retain(&process->object);
    thread_start(LIST_CONTAINER(process->threads.next, struct thread, process_node));
}

// --- The end ---

// No thread is left. Gives everything back but what the counters need.
static void finish(struct process *process) {
    process->state = PROCESS_ENDED;
    handle_table_destroy(&process->handles);
    struct list *node;
    while ((node = list_pop_front(&process->channels)) != nullptr) {
        channel_shut(LIST_CONTAINER(node, struct channel, creator_node));
    }
    if (process->space != nullptr) {
        scheduler_end_space(process->space);
        process->space = nullptr;
    }
    watch_signal(&process->watch);
}

void process_thread_ended(struct process *process) {
    process->thread_count--;
    if (process->thread_count > 0) {
        return;
    }
    bool holds_itself = process->state == PROCESS_RUNNING || process->state == PROCESS_ENDING;
    if (process->state == PROCESS_RUNNING) {
        process->exit_reason = EXIT_NORMAL; // its last thread ended by itself
    }
    if (holds_itself) {
        finish(process);
        object_release(&process->object);
    }
}

static void kill_threads(struct process *process) {
    LIST_FOR_EACH(node, &process->threads) {
        thread_kill(LIST_CONTAINER(node, struct thread, process_node));
    }
}

void process_end(struct process *process, enum exit_reason reason, int64_t code) {
    if (process->state == PROCESS_ENDING || process->state == PROCESS_ENDED) {
        return;
    }
    if (process->state == PROCESS_NEW) {
        object_retain(&process->object); // given back with its thread's end, as a running one's
    }
    process->state = PROCESS_ENDING;
    process->exit_reason = reason;
    process->exit_code = code;
    object_retain(&process->object);
    kill_threads(process);
    object_release(&process->object);
}

// The last reference is gone: it has ended, or was never started.
void process_destroy(struct object *object) {
    struct process *process = (struct process *) object;
    if (process->state == PROCESS_NEW) {
        kill_threads(process);
        finish(process);
    }
    watch_end(&process->watch);
    folio_unpin_all(process);
    struct account *account = process->account;
    heap_free(process, sizeof(*process), account);
    account_close(account);
}

bool process_has_news(const struct process *process) {
    return process->state == PROCESS_ENDED && !process->is_exit_told;
}

bool process_collect(struct process *process, struct thread *thread) {
    if (!process_has_news(process)) {
        return false;
    }
    process->is_exit_told = true;
    thread->buffer->event.kind = EVENT_EXIT;
    thread->buffer->event.value = process->exit_reason;
    return true;
}

// --- Handles ---

status_t process_add_handle(struct process *process, struct object *object, uint32_t rights, uint64_t *out_handle) {
    handle_t handle;
    status_t status = handle_add(&process->handles, (struct grant) {.object = object, .rights = (uint16_t) rights}, &handle);
    if (status != OK) {
        object_release(object);
        return status;
    }
    *out_handle = handle;
    return OK;
}

void process_close_handle(struct process *process, handle_t handle) {
    struct handle_entry *entry;
    if (handle_find(&process->handles, handle, &entry) == OK) {
        object_release(handle_remove(&process->handles, entry).object);
    }
}

status_t sys_handle_close(struct thread *thread, handle_t handle) {
    struct handle_entry *entry;
    TRY(handle_find(&thread->process->handles, handle, &entry));
    object_release(handle_remove(&thread->process->handles, entry).object);
    return OK;
}

status_t sys_handle_duplicate(struct thread *thread, handle_t handle, uint32_t rights, uint64_t *out_duplicate) {
    struct handle_entry *entry;
    TRY(handle_find(&thread->process->handles, handle, &entry));
    bool is_allowed = (entry->rights & RIGHT_DUPLICATE) != 0 && (rights & ~(uint32_t) entry->rights) == 0;
    if (!is_allowed || entry->object->type == OBJECT_CHANNEL) {
        return ERR_DENIED;
    }
    object_retain(entry->object);
    return process_add_handle(thread->process, entry->object, rights, out_duplicate);
}

// --- System calls ---

status_t sys_process_create(struct thread *thread, uaddr_t config_address, uint64_t *out_process) {
    struct process_config config;
    TRY(syscall_copy_in(thread, &config, config_address, sizeof(config)));
    struct object *resource, *image;
    // Its memory and priority are not taken from the caller's: only who answers for the whole machine may choose them.
    if (handle_get(&thread->process->handles, config.resource.handle, OBJECT_RESOURCE, 0, &resource) != OK) {
        return ERR_DENIED;
    }
    status_t status =
        handle_get(&thread->process->handles, config.image.handle, OBJECT_FOLIO, RIGHT_READ | RIGHT_EXECUTE, &image);
    if (status != OK) {
        return status == ERR_DENIED ? ERR_DENIED : ERR_BAD_HANDLE;
    }
    struct process *process;
    TRY(process_create(&config, image, &process));
    enum : uint32_t { PROCESS_RIGHTS = RIGHT_MANAGE | RIGHT_WAIT | RIGHT_TRANSFER | RIGHT_DUPLICATE };
    return process_add_handle(thread->process, &process->object, PROCESS_RIGHTS, out_process);
}

status_t sys_process_start(struct thread *thread, handle_t handle, handle_t bootstrap) {
    struct object *object;
    struct handle_entry *entry;
    TRY(handle_get(&thread->process->handles, handle, OBJECT_PROCESS, RIGHT_MANAGE, &object));
    TRY(handle_find(&thread->process->handles, bootstrap, &entry));
    if (entry->object->type != OBJECT_CHANNEL) {
        return ERR_WRONG_TYPE;
    }
    if ((entry->rights & RIGHT_TRANSFER) == 0) {
        return ERR_DENIED;
    }
    struct process *process = (struct process *) object;
    if (process->state != PROCESS_NEW) {
        return ERR_STATE;
    }
    struct grant grant = handle_remove(&thread->process->handles, entry);
    watch_end_moved(grant.object);
    uint64_t placed;
    TRY(process_add_handle(process, grant.object, grant.rights, &placed)); // its table is empty, so it is HANDLE_BOOTSTRAP
    process_start(process);
    return OK;
}

status_t sys_process_kill(struct thread *thread, handle_t handle) {
    struct object *object;
    TRY(handle_get(&thread->process->handles, handle, OBJECT_PROCESS, RIGHT_MANAGE, &object));
    process_end((struct process *) object, EXIT_KILLED, 0);
    return OK;
}

status_t sys_process_exit(struct thread *thread, int64_t code) {
    process_end(thread->process, EXIT_NORMAL, code);
    return STATUS_BLOCKED;
}

// --- Counts ---

static void add_counts(struct thread_counts *sum, const struct thread_counts *counts) {
    sum->ticks += counts->ticks;
    sum->system_calls += counts->system_calls + counts->direct_calls;
    sum->messages_sent += counts->messages_sent + counts->direct_calls + counts->upcalls;
    sum->messages_received += counts->messages_received + counts->direct_calls + counts->upcalls;
    sum->copied_bytes += counts->copied_bytes;
}

void process_keep_counts(struct thread *thread) {
    add_counts(&thread->process->ended, &thread->counts);
}

static struct thread_counts counts_of(const struct process *process) {
    struct thread_counts sum = process->ended;
    LIST_FOR_EACH(node, &process->threads) {
        add_counts(&sum, &LIST_CONTAINER(node, struct thread, process_node)->counts);
    }
    sum.ticks += scheduler_ticks_under_way(process);
    return sum;
}

static struct process_info info_of(const struct process *process) {
    struct thread_counts counts = counts_of(process);
    return (struct process_info) {
        .isolation = process->isolation,
        .exit_reason = process->exit_reason,
        .exit_code = process->exit_code,
        .cpu_ns = arch_ticks_to_ns(counts.ticks),
        .memory_used = process->account->used,
        .memory_peak = process->account->peak,
        .memory_limit = process->account->limit,
        .messages_sent = counts.messages_sent,
        .messages_received = counts.messages_received,
        .page_faults = process->page_faults,
        .system_calls = counts.system_calls,
        .copied_bytes = counts.copied_bytes,
        .handles = process->handles.used,
        .threads = process->thread_count,
    };
}

status_t sys_process_info(struct thread *thread, handle_t handle, uaddr_t info_address) {
    struct object *object = &thread->process->object;
    if (handle != HANDLE_INVALID) {
        TRY(handle_get(&thread->process->handles, handle, OBJECT_PROCESS, RIGHT_MANAGE, &object));
    }
    struct process_info info = info_of((const struct process *) object);
    return syscall_copy_out(thread, info_address, &info, sizeof(info));
}
