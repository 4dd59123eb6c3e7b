// The instance's configuration: lines "key=value" that came with `start`.
#include "internal.h"

#include <supervisor.h>

static uint8_t text[SUPERVISOR_START_CONFIG_MAX];
static size_t text_size;

void config_set(bytes_t lines) {
    status_t status = bytes_store(text, sizeof(text), lines, &text_size);
    if (status != OK) {
        text_size = 0; // can't be: the interface's limit is the buffer's size
    }
}

// The line that begins at `from`, without its newline.
static bytes_t line_at(size_t from) {
    const uint8_t *start = text + from;
    const uint8_t *end = memchr(start, '\n', text_size - from);
    return (bytes_t) {start, end != nullptr ? (size_t) (end - start) : text_size - from};
}

// A later line wins: the command line's come last.
bytes_t config_bytes(const char *key, bytes_t otherwise) {
    bytes_t wanted = bytes_from_string(key), value = otherwise;
    for (size_t at = 0; at < text_size;) {
        bytes_t line = line_at(at);
        at += line.len + 1;
        if (line.len > wanted.len && line.ptr[wanted.len] == '=' && bytes_equal((bytes_t) {line.ptr, wanted.len}, wanted)) {
            value = (bytes_t) {line.ptr + wanted.len + 1, line.len - wanted.len - 1};
        }
    }
    return value;
}

uint64_t config_u64(const char *key, uint64_t otherwise) {
    uint64_t value = otherwise;
    bytes_t text = config_bytes(key, (bytes_t) {});
    if (text.len != 0 && bytes_to_u64(text, &value) != OK) {
        log_warn("configuration: %s is not a number: using %llu", key, (unsigned long long) otherwise);
    }
    return value;
}
