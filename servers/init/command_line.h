// The words of the kernel's command line that init understands (docs/framework.md).
//
// Whoever starts the machine is trusted; a word that is wrong is reported and left out.
#pragma once

#include <starina/process.h>

// Takes the next word off the front of the line; an empty one at the end.
bytes_t command_line_word(bytes_t *line);

// Takes `text` up to the separator off its front, and the separator. All of it if there is none.
bytes_t text_until(bytes_t *text, char separator);

// The isolation that `isolate=NAME:MODE,…` names for a component; the last one wins. ERR_NOT_FOUND: none.
// ERR_MALFORMED: something else than user or kernel.
status_t command_line_isolation(bytes_t line, bytes_t name, enum isolation_mode *out_mode);

// Appends "KEY=VALUE\n" for each word NAME.KEY=VALUE. ERR_TOO_LARGE: some found no room.
status_t command_line_config(bytes_t line, bytes_t name, uint8_t *text, size_t capacity, size_t *length);

// Reads a number as Linux does: 0x for hexadecimal, a K or M behind it for units. ERR_MALFORMED
status_t text_to_number(bytes_t text, uint64_t *out_value);
