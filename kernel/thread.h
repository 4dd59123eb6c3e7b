// A thread of a component.
#pragma once

#include "arch.h"
#include "list.h"
#include "object.h"
#include "process.h"
#include "timeout.h"

#include <starina/message.h>

struct channel;
struct pager;
struct poll;

enum thread_state : uint8_t {
    THREAD_NEW,     // never ran
    THREAD_READY,   // in a run queue
    THREAD_RUNNING, // on a CPU
    THREAD_BLOCKED, // waits
    THREAD_DEAD,    // freed when it leaves its CPU
};

struct thread {
    struct arch_thread arch; // first: entry code finds the registers by this
    struct thread_counts counts;
    struct process *process;
    struct vmspace *user_space; // its process's; nullptr: it runs in any
    struct list process_node;
    enum thread_state state;
    uint8_t level;     // of the run queue: scheduler.c
    uint32_t id;       // for the trace
    struct cpu *cpu;   // where it runs or last ran
    nsec_t slice_left; // 0: it gets a whole one
    nsec_t ready_since;
    struct list ready_node;
    struct poll *wait_poll;                // waits for an event of it
    struct thread *next_waiter;            // on the same poll
    struct timeout timeout;                // of the wait
    struct channel *call_channel;          // waits for a reply on it
    vaddr_t fault_address;                 // of its latest page fault
    struct pager *wait_pager;              // waits for a page of it
    struct list page_node;                 // among those
    uint64_t wait_offset, wait_size;       // of the page in its folio, and how much is wanted from there on
    bool is_wait_told;                     // the pager knows
    struct thread_buffer *buffer;          // the kernel's view of the page
    vaddr_t buffer_address, stack_address; // in the component
    struct thread_object *handle_object;
};

// What a handle of a thread names. It outlives the thread.
struct thread_object {
    struct object object;
    struct thread *thread; // nullptr: ended
};

// Makes a thread in the process that begins at entry(argument0, argument1). It is not started.
status_t thread_create(struct process *process, vaddr_t entry, uint64_t stack_size, uint64_t argument,
                       struct thread **out_thread);
void thread_start(struct thread *thread);
void thread_kill(struct thread *thread); // now, or when it leaves the CPU on which it runs
void thread_end_fault(struct thread *thread,
                      status_t status);  // it waited for a page. OK: touches it again; else: its process ends
void thread_free(struct thread *thread); // the scheduler: it is dead and on no CPU
void thread_object_destroy(struct object *object);
