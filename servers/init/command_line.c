// Reads init's words of the kernel's command line.
#include "command_line.h"

#include <starina/bytes.h>

#include <stdckdint.h>

bytes_t text_until(bytes_t *text, char separator) {
    const uint8_t *end = text->len != 0 ? __builtin_memchr(text->ptr, separator, text->len) : nullptr;
    bytes_t part = {text->ptr, end != nullptr ? (size_t) (end - text->ptr) : text->len};
    size_t taken = part.len + (end != nullptr);
    *text = (bytes_t) {text->ptr + taken, text->len - taken};
    return part;
}

bytes_t command_line_word(bytes_t *line) {
    bytes_t word = {};
    while (line->len != 0 && word.len == 0) {
        word = text_until(line, ' ');
    }
    return word;
}

static status_t mode_named(bytes_t text, enum isolation_mode *out_mode) {
    bool is_user = bytes_equal(text, BYTES("user"));
    if (!is_user && !bytes_equal(text, BYTES("kernel"))) {
        return ERR_MALFORMED;
    }
    *out_mode = is_user ? ISOLATION_USER : ISOLATION_KERNEL;
    return OK;
}

status_t command_line_isolation(bytes_t line, bytes_t name, enum isolation_mode *out_mode) {
    status_t found = ERR_NOT_FOUND;
    for (bytes_t word = command_line_word(&line); word.len != 0; word = command_line_word(&line)) {
        if (!bytes_equal(text_until(&word, '='), BYTES("isolate"))) {
            continue;
        }
        while (word.len != 0) {
            bytes_t choice = text_until(&word, ',');
            if (bytes_equal(text_until(&choice, ':'), name)) {
                found = mode_named(choice, out_mode);
            }
        }
    }
    return found;
}

static status_t append_line(bytes_t setting, uint8_t *text, size_t capacity, size_t *length) {
    size_t room = capacity - *length;
    if (setting.len >= room) {
        return ERR_TOO_LARGE;
    }
    TRY(mem_copy(text + *length, room, setting.ptr, setting.len));
    text[*length + setting.len] = '\n';
    *length += setting.len + 1;
    return OK;
}

status_t command_line_config(bytes_t line, bytes_t name, uint8_t *text, size_t capacity, size_t *length) {
    status_t result = OK;
    for (bytes_t word = command_line_word(&line); word.len != 0; word = command_line_word(&line)) {
        bytes_t setting = word;
        if (!bytes_equal(text_until(&setting, '.'), name)) {
            continue;
        }
        bytes_t value = setting, key = text_until(&value, '=');
        if (key.len == 0 || key.len == setting.len) {
            continue; // no key, or nothing is set
        }
        status_t status = append_line(setting, text, capacity, length);
        result = status != OK ? status : result;
    }
    return result;
}

static unsigned digit_value(uint8_t character) {
    if (character >= '0' && character <= '9') {
        return character - '0';
    }
    uint8_t lower = character | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 16;
}

static unsigned unit_shift(uint8_t character) {
    switch (character) {
    case 'k':
    case 'K':
        return 10;
    case 'm':
    case 'M':
        return 20;
    default:
        return 0;
    }
}

status_t text_to_number(bytes_t text, uint64_t *out_value) {
    unsigned shift = text.len != 0 ? unit_shift(text.ptr[text.len - 1]) : 0;
    text.len -= shift != 0;
    unsigned base = 10;
    if (text.len > 2 && text.ptr[0] == '0' && (text.ptr[1] | 0x20) == 'x') {
        text = (bytes_t) {text.ptr + 2, text.len - 2};
        base = 16;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = digit_value(text.ptr[i]);
        if (digit >= base || ckd_mul(&value, value, base) || ckd_add(&value, value, digit)) {
            return ERR_MALFORMED;
        }
    }
    if (text.len == 0 || value > UINT64_MAX >> shift) {
        return ERR_MALFORMED;
    }
    *out_value = value << shift;
    return OK;
}
