// The end of the kernel by its own decision.
#include "format.h"
#include "log.h"

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
