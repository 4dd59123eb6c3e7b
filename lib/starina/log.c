// Log lines: formatted here, time and name are the kernel's.
#include "internal.h"

#include <stdarg.h>

enum { LINE_SIZE = 256 };
enum log_level : uint32_t { LOG_ERROR = 0, LOG_WARN = 1, LOG_INFO = 2, LOG_DEBUG = 3 };

// Not config_u64, which would log what is wrong with the setting.
static bool is_wanted(enum log_level level) {
    uint64_t limit;
    return bytes_to_u64(config_bytes("log_level", BYTES("2")), &limit) != OK || level <= limit;
}

static void write_line(enum log_level level, const char *format, va_list arguments) {
    char line[LINE_SIZE];
    if (!is_wanted(level)) {
        return;
    }
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
DEFINE_LOG(log_debug, LOG_DEBUG)
