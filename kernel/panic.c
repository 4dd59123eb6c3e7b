// The end of the kernel by its own decision, and of components by a fault.
#include "cpu.h"
#include "format.h"
#include "log.h"
#include "process.h"
#include "scheduler.h"
#include "trace.h"
#include "vmspace.h"

#include <stdarg.h>

enum : uint32_t { PANIC_EXIT_CODE = 100 };

static void print_kernel_pc(vaddr_t pc) {
    log_pc("kernel", pc);
}

[[noreturn]] void panic(const char *format, ...) {
    static bool is_panicking;
    if (is_panicking) {
        arch_halt(); // the panic itself went wrong
    }
    is_panicking = true;
    arch_halt_others();
    char text[LOG_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    size_t length = format_text(text, sizeof(text), format, arguments);
    va_end(arguments);
    log_print("panic: %.*s", (int) length, text);
    arch_backtrace_self(print_kernel_pc);
    arch_shutdown(PANIC_EXIT_CODE);
}

// The symbolizer knows a component's addresses relative to where its file begins.
static void print_component_pc(vaddr_t pc) {
    const struct process *process = ((struct thread *) cpu_self()->arch.current)->process;
    log_pc(process->name, pc - process->load_base);
}

static void print_backtrace(const struct thread *thread) {
    print_component_pc(arch_thread_pc(&thread->arch));
    vaddr_t frame = arch_thread_frame(&thread->arch);
    vaddr_t low, high;
    if (vmspace_mapping_of(thread->process->space, frame, &low, &high)) {
        arch_backtrace(print_component_pc, frame, low, high);
    }
}

[[noreturn]] void kernel_on_fault(const struct arch_fault *fault) {
    struct thread *thread = cpu_self()->arch.current;
    trace(TRACE_FAULT, fault->vector, fault->address);
    if (thread->state == THREAD_RUNNING) {
        struct process *process = thread->process;
        process->page_faults += fault->is_page_fault;
        if (fault->is_page_fault) {
            log_print_of(process->name, "fault: %s at 0x%lx; the component ends", fault->name, fault->address);
        } else {
            log_print_of(process->name, "fault: %s; the component ends", fault->name);
        }
        print_backtrace(thread);
        process_end(process, EXIT_FAULT, (int64_t) fault->vector);
    }
    scheduler_leave_kernel();
}
