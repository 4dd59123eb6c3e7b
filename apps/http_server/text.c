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
