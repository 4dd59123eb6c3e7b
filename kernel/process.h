// A process: a component that runs, with its address space, handles, threads and the account that pays for them.
#pragma once

#include "arch.h"
#include "handle.h"
#include "list.h"
#include "poll.h"

#include <starina/process.h>

struct thread;
struct vmspace;

enum process_state : uint8_t {
    PROCESS_NEW,
    PROCESS_RUNNING,
    PROCESS_ENDING, // waits until its threads have left their CPUs
    PROCESS_ENDED,
};

// What a thread has done.
struct thread_counts {
    uint64_t ticks; // of the time-stamp counter, that it ran; of one that runs it is less what the counter is now
    uint64_t system_calls, messages_sent, messages_received, copied_bytes;
    uint64_t direct_calls; // answered by an upcall: a system call each, a message sent and one received, none of which is
                           // counted above
    uint64_t upcalls;      // that it answered such a call by: a message received, and one sent
};

struct process {
    struct object object; // pays for itself from its own account
    uint32_t id;          // for the trace
    char name[NAME_MAX_LENGTH + 1];
    enum process_state state;
    enum isolation_mode isolation;
    uint8_t priority;
    enum exit_reason exit_reason;
    bool is_exit_told; // EVENT_EXIT was delivered
    int64_t exit_code;
    struct account *account;
    struct vmspace *space; // nullptr when it has ended
    vaddr_t load_base;     // of its ELF file: what backtraces are relative to
    struct handle_table handles;
    struct list channels; // both ends of those it made
    struct list threads;
    struct list pins; // folios whose physical addresses it knows
    uint32_t thread_count;
    struct watch watch;

    struct thread_counts ended; // of threads that are gone
    uint64_t page_faults;
    nsec_t log_refilled; // see log_write
    uint32_t log_allowance, log_dropped;
};

// Loads an ELF file into a new process. Errors as the system call process_create.
status_t process_create(const struct process_config *config, struct object *image, struct process **out_process);
void process_start(struct process *process);

// Ends it; the first caller's reason counts. Its threads are gone when they have left their CPUs.
void process_end(struct process *process, enum exit_reason reason, int64_t code);
void process_keep_counts(struct thread *thread);    // it is about to end
void process_thread_ended(struct process *process); // a thread left the process's list

// Adds a handle that takes over the caller's reference; releases it if the table is full. ERR_NO_HANDLES
status_t process_add_handle(struct process *process, struct object *object, uint32_t rights, uint64_t *out_handle);
void process_close_handle(struct process *process, handle_t handle);

void process_destroy(struct object *object);
bool process_collect(struct process *process, struct thread *thread);
bool process_has_news(const struct process *process);
