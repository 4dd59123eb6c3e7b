// Formatted text for the kernel log.
#include "format.h"

#include "memory.h"

#include <stdint.h>

struct output {
    char *text;
    size_t size, length;
};

struct directive {
    char conversion;
    bool is_long, is_zero_padded;
    unsigned width;
    size_t precision;
};

static void put(struct output *out, char c) {
    if (out->length + 1 < out->size) {
        out->text[out->length++] = c;
    }
}

static void put_text(struct output *out, const char *text, size_t limit) {
    for (size_t length = strnlen(text, limit); length > 0; length--) {
        put(out, *text++);
    }
}

static void put_number(struct output *out, uint64_t value, unsigned base, bool is_negative, const struct directive *directive) {
    char digits[24];
    unsigned count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value > 0);
    if (is_negative) {
        digits[count++] = '-';
    }
    for (unsigned i = count; i < directive->width; i++) {
        put(out, directive->is_zero_padded ? '0' : ' ');
    }
    while (count > 0) {
        put(out, digits[--count]);
    }
}

static unsigned read_number(const char **format) {
    unsigned number = 0;
    while (**format >= '0' && **format <= '9') {
        number = number * 10 + (unsigned) (*(*format)++ - '0');
    }
    return number;
}

static struct directive read_directive(const char **format, va_list arguments) {
    struct directive directive = {.precision = SIZE_MAX};
    directive.is_zero_padded = **format == '0';
    directive.width = read_number(format);
    if (**format == '.') {
        (*format)++;
        if (**format == '*') {
            (*format)++;
            directive.precision = (size_t) va_arg(arguments, int);
        } else {
            directive.precision = read_number(format);
        }
    }
    while (**format == 'l' || **format == 'z') {
        directive.is_long = true;
        (*format)++;
    }
    directive.conversion = *(*format)++;
    return directive;
}

static void put_signed(struct output *out, int64_t value, const struct directive *directive) {
    put_number(out, value < 0 ? -(uint64_t) value : (uint64_t) value, 10, value < 0, directive);
}

size_t format_text(char *text, size_t size, const char *format, va_list caller_arguments) {
    struct output out = {.text = text, .size = size};
    va_list arguments;
    va_copy(arguments, caller_arguments); // so that read_directive can take its own from it
    while (*format != '\0') {
        if (*format != '%') {
            put(&out, *format++);
            continue;
        }
        format++;
        struct directive directive = read_directive(&format, arguments);
        switch (directive.conversion) {
        case 's':
            put_text(&out, va_arg(arguments, const char *), directive.precision);
            break;
        case 'c':
            put(&out, (char) va_arg(arguments, int));
            break;
        case 'd':
            put_signed(&out, directive.is_long ? va_arg(arguments, int64_t) : va_arg(arguments, int), &directive);
            break;
        case 'u':
            put_number(&out, directive.is_long ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned), 10, false,
                       &directive);
            break;
        case 'x':
            put_number(&out, directive.is_long ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned), 16, false,
                       &directive);
            break;
        case 'p':
            put_text(&out, "0x", 2);
            put_number(&out, va_arg(arguments, uint64_t), 16, false, &directive);
            break;
        default:
            put(&out, directive.conversion);
        }
    }
    va_end(arguments);
    if (size > 0) {
        text[out.length] = '\0';
    }
    return out.length;
}
