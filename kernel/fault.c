// Faults of components: a page that was not there yet comes, anything else ends the component.
#include "cpu.h"
#include "log.h"
#include "process.h"
#include "scheduler.h"
#include "syscall.h"
#include "trace.h"
#include "vmspace.h"

static const struct process *failed; // whose backtrace is printed

// The symbolizer knows a component's addresses relative to where its file begins.
static void print_component_pc(vaddr_t pc) {
    log_pc(failed->name, pc - failed->load_base);
}

static void print_backtrace(const struct thread *thread) {
    failed = thread->process;
    print_component_pc(arch_thread_pc(&thread->arch));
    vaddr_t frame = arch_thread_frame(&thread->arch);
    vaddr_t low, high;
    if (thread == arch_cpu_current() && vmspace_mapping_of(thread->process->space, frame, &low, &high)) {
        arch_backtrace(print_component_pc, frame, low, high);
    }
}

// --- Page faults ---

static const char *reason_of(status_t status) {
    switch (status) {
    case ERR_NO_MEMORY:
        return "out of memory";
    case ERR_IO:
        return "a page that its pager could not supply,";
    case ERR_TIMED_OUT:
        return "a page that its pager did not supply in time,";
    case ERR_CLOSED:
        return "a page whose pager is gone,";
    default:
        return "page fault";
    }
}

static enum exit_reason exit_reason_of(status_t status) {
    switch (status) {
    case ERR_NO_MEMORY:
        return EXIT_NO_MEMORY;
    case ERR_IO:
    case ERR_TIMED_OUT:
    case ERR_CLOSED:
        return EXIT_NO_PAGE;
    default:
        return EXIT_FAULT;
    }
}

static void end_by_page_fault(const struct thread *thread, status_t status, unsigned vector) {
    struct process *process = thread->process;
    log_print_of(process->name, "fault: %s at 0x%lx; the component ends", reason_of(status), thread->fault_address);
    print_backtrace(thread);
    process_end(process, exit_reason_of(status), (int64_t) vector);
}

void thread_end_fault(struct thread *thread, status_t status) {
    if (status == OK) {
        scheduler_make_ready_interrupted(thread);
    } else {
        end_by_page_fault(thread, status, 0);
    }
}

static void on_page_fault(struct thread *thread, const struct arch_fault *fault) {
    thread->process->page_faults++;
    thread->fault_address = fault->address;
    status_t status = vmspace_touch(thread, fault->address, fault->access);
    if (status != OK && status != STATUS_BLOCKED) {
        end_by_page_fault(thread, status, fault->vector);
    }
}

// --- All faults ---

static void end_by_exception(const struct thread *thread, const struct arch_fault *fault) {
    log_print_of(thread->process->name, "fault: %s; the component ends", fault->name);
    print_backtrace(thread);
    process_end(thread->process, EXIT_FAULT, (int64_t) fault->vector);
}

[[noreturn]] void kernel_on_fault(const struct arch_fault *fault) {
    struct thread *thread = arch_cpu_current();
    trace(TRACE_FAULT, fault->vector, fault->address);
    if (thread->state == THREAD_RUNNING) { // else another CPU has killed it meanwhile
        if (fault->is_page_fault) {
            on_page_fault(thread, fault);
        } else {
            end_by_exception(thread, fault);
        }
    }
    scheduler_leave_kernel();
}
