// Text in a buffer.
#include "text.h"

#include <stdarg.h>

void text_add(struct text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t room = text->size - text->length;
    int length = text->is_cut ? -1 : vsnprintf(text->start + text->length, room, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t) length >= room) {
        text->is_cut = true;
        return;
    }
    text->length += (size_t) length;
}

void text_add_bytes(struct text *text, bytes_t bytes) {
    if (text->is_cut || mem_copy(text->start + text->length, text->size - text->length, bytes.ptr, bytes.len) != OK) {
        text->is_cut = true;
        return;
    }
    text->length += bytes.len;
}

void text_add_string(struct text *text, const char *string) {
    text_add_bytes(text, bytes_from_string(string));
}

void text_add_digits(struct text *text, uint64_t value, unsigned base, unsigned count) {
    uint8_t digits[20];
    for (unsigned i = count; i > 0; i--) {
        digits[i - 1] = (uint8_t) "0123456789abcdef"[value % base];
        value /= base;
    }
    text_add_bytes(text, (bytes_t) {digits, count});
}

void text_add_u64(struct text *text, uint64_t value) {
    unsigned count = 1;
    for (uint64_t left = value / 10; left > 0; left /= 10) {
        count++;
    }
    text_add_digits(text, value, 10, count);
}

void text_terminate(struct text *text) {
    if (text->is_cut || text->length == text->size) {
        text->is_cut = true;
        return;
    }
    text->start[text->length] = '\0';
}
