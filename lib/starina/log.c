// Log lines: formatted here, time and name are the kernel's.
#include "internal.h"

#include <stdarg.h>

enum { LINE_SIZE = 256 };
enum log_level : uint32_t { LOG_ERROR = 0, LOG_WARN = 1, LOG_INFO = 2, LOG_DEBUG = 3 };

static void write_line(enum log_level level, const char *format, va_list arguments) {
    char line[LINE_SIZE];
    int length = vsnprintf(line, sizeof(line), format, arguments);
    if (length < 0) {
        return;
    }
    size_t size = (size_t) length < sizeof(line) ? (size_t) length : sizeof(line) - 1;
    (void) log_write(level, line, size); // nobody is left to be told
}

#define DEFINE_LOG(name, level)               \
    void name(const char *format, ...) {      \
        va_list arguments;                    \
        va_start(arguments, format);          \
        write_line(level, format, arguments); \
        va_end(arguments);                    \
    }
DEFINE_LOG(log_error, LOG_ERROR)
DEFINE_LOG(log_warn, LOG_WARN)
DEFINE_LOG(log_info, LOG_INFO)

void log_debug(const char *format, ...) {
    if (config_u64("log_level", LOG_INFO) < LOG_DEBUG) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    write_line(LOG_DEBUG, format, arguments);
    va_end(arguments);
}
