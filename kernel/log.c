// The kernel log, and the lines that components write to it.
#include "log.h"

#include "format.h"
#include "memory.h"
#include "syscall.h"

#include <stdarg.h>

// A component's lines beyond this are dropped and counted: writing to a serial console takes the whole machine's time.
enum : uint32_t { LINES_AT_ONCE = 100, LINES_PER_SECOND = 50 };

static size_t print(char *out, size_t size, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t length = format_text(out, size, format, arguments);
    va_end(arguments);
    return length;
}

void log_line(const char *name, const char *text, size_t size) {
    char line[LOG_TEXT_MAX + 64];
    nsec_t now = arch_clock_now();
    size_t length =
        print(line, sizeof(line) - 1, "[%5lu.%06lu] %s: ", now / NSEC_PER_SEC, now % NSEC_PER_SEC / NSEC_PER_USEC, name);
    for (size_t i = 0; i < size && length < sizeof(line) - 1; i++) {
        uint8_t byte = (uint8_t) text[i];
        line[length++] = byte < ' ' || byte == 0x7f ? '?' : (char) byte;
    }
    line[length++] = '\n';
    arch_console_write(line, length);
}

static void print_line(const char *name, const char *format, va_list arguments) {
    char text[LOG_TEXT_MAX];
    log_line(name, text, format_text(text, sizeof(text), format, arguments));
}

void log_print(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print_line("kernel", format, arguments);
    va_end(arguments);
}

void log_print_of(const char *name, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print_line(name, format, arguments);
    va_end(arguments);
}

void log_pc(const char *name, vaddr_t pc) {
    log_print_of(name, "  pc %s+0x%lx", name, pc);
}

// --- System call ---

static bool may_write(struct process *process) {
    nsec_t now = arch_clock_now();
    uint64_t earned = (now - process->log_refilled) / (NSEC_PER_SEC / LINES_PER_SECOND);
    if (process->log_refilled == 0 || earned >= LINES_AT_ONCE) {
        process->log_allowance = LINES_AT_ONCE;
        process->log_refilled = now;
    } else {
        uint64_t allowance = process->log_allowance + earned;
        process->log_allowance = allowance < LINES_AT_ONCE ? (uint32_t) allowance : LINES_AT_ONCE;
        process->log_refilled += earned * (NSEC_PER_SEC / LINES_PER_SECOND);
    }
    if (process->log_allowance == 0) {
        process->log_dropped++;
        return false;
    }
    process->log_allowance--;
    return true;
}

status_t sys_log_write(struct thread *thread, uint32_t level, uaddr_t text, uint64_t size) {
    static const char *const prefixes[] = {"error: ", "warning: ", "", "debug: "};
    if (level >= sizeof(prefixes) / sizeof(prefixes[0])) {
        return ERR_INVALID_ARGUMENT;
    }
    if (size > LOG_TEXT_MAX) {
        return ERR_TOO_LARGE;
    }
    char line[LOG_TEXT_MAX + 16];
    size_t length = strnlen(prefixes[level], sizeof(line));
    memcpy(line, prefixes[level], length);
    TRY(syscall_copy_in(thread, line + length, text, size));
    struct process *process = thread->process;
    if (!may_write(process)) {
        return OK;
    }
    if (process->log_dropped > 0) {
        log_print_of(process->name, "(%u lines dropped: too many)", process->log_dropped);
        process->log_dropped = 0;
    }
    log_line(process->name, line, length + size);
    return OK;
}
