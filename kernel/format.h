// Formats text. Knows %s %c %d %u %x %p, with l, z, a zero-padded width, and .* or a number as a string's precision.
#pragma once

#include <stdarg.h>
#include <stddef.h>

// Writes at most size - 1 bytes and a NUL. Returns how many bytes it wrote without that.
size_t format_text(char *out, size_t size, const char *format, va_list arguments);
