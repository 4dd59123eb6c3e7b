// Writes the log: a JSON object a line. What can't be written at once is dropped and counted; nothing ever waits for it.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { LOG_LINE_MAX = 1536 };

struct log_line {
    char text[LOG_LINE_MAX];
    size_t length;
};

bool log_open(const char *path); // nullptr: stderr. False: errno says why
uint64_t log_dropped(void);      // lines

// A field for which the line has no room is left out.
void log_begin(struct log_line *line, const char *event);
void log_number(struct log_line *line, const char *name, uint64_t value);
void log_text(struct log_line *line, const char *name, const char *value);
void log_end(struct log_line *line);

void log_event(const char *event, const char *name, const char *value); // a line with one field, or none: nullptr
