// The kernel log: lines on the serial console, each with the time and who wrote it.
#pragma once

#include "arch.h"

enum { LOG_TEXT_MAX = 256 };

// A component's line; control characters become '?'.
void log_line(const char *name, const char *text, size_t size);

// The kernel's own.
void log_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_print_of(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Where execution was, for the symbolizer of sx: "pc kernel+0x…", or relative to where a component was loaded.
void log_pc(const char *name, vaddr_t pc);
