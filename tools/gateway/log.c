// Makes JSON lines and writes them without ever waiting. Trusts neither the texts, which may be a VM's, nor the disk.
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { END_RESERVE = 2, ESCAPE_MAX = 6, TIME_SIZE = 32 };

static int log_descriptor = STDERR_FILENO;
static bool is_socket;
static bool is_torn; // the last line was written in part
static uint64_t dropped;

// Pipes and terminals are opened anew: O_NONBLOCK on the inherited description would be others' too.
static void stop_waiting(void) {
    struct stat state;
    if (fstat(log_descriptor, &state) != 0 || S_ISREG(state.st_mode)) {
        return;
    }
    is_socket = S_ISSOCK(state.st_mode);
    char path[TIME_SIZE];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", log_descriptor);
    int own = is_socket ? -1 : open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (own >= 0) {
        log_descriptor = own;
    } else if (!is_socket) {
        (void) fcntl(log_descriptor, F_SETFL, fcntl(log_descriptor, F_GETFL) | O_NONBLOCK);
    }
}

bool log_open(const char *path) {
    if (path != nullptr) {
        log_descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
    }
    if (log_descriptor < 0) {
        return false;
    }
    stop_waiting();
    return true;
}

uint64_t log_dropped(void) {
    return dropped;
}

static bool has_room(const struct log_line *line, size_t count) {
    return line->length + count + END_RESERVE <= sizeof(line->text);
}

static void add(struct log_line *line, const char *text, size_t length) {
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

static size_t escape(char *to, unsigned char byte) {
    if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\') {
        *to = (char) byte;
        return 1;
    }
    return (size_t) snprintf(to, ESCAPE_MAX + 1, "\\u%04x", byte);
}

// False: it does not fit as a whole.
static bool add_string(struct log_line *line, const char *text) {
    if (!has_room(line, 2)) {
        return false;
    }
    add(line, "\"", 1);
    for (; *text != '\0'; text++) {
        char escaped[ESCAPE_MAX + 1];
        size_t length = escape(escaped, (unsigned char) *text);
        if (!has_room(line, length + 1)) {
            return false;
        }
        add(line, escaped, length);
    }
    add(line, "\"", 1);
    return true;
}

static bool add_name(struct log_line *line, const char *name) {
    if (!has_room(line, 1)) {
        return false;
    }
    add(line, line->length == 0 ? "{" : ",", 1);
    if (!add_string(line, name) || !has_room(line, 1)) {
        return false;
    }
    add(line, ":", 1);
    return true;
}

void log_text(struct log_line *line, const char *name, const char *value) {
    size_t before = line->length;
    if (!add_name(line, name) || !add_string(line, value)) {
        line->length = before;
    }
}

void log_number(struct log_line *line, const char *name, uint64_t value) {
    char digits[24];
    size_t length = (size_t) snprintf(digits, sizeof(digits), "%llu", (unsigned long long) value);
    size_t before = line->length;
    if (add_name(line, name) && has_room(line, length)) {
        add(line, digits, length);
    } else {
        line->length = before;
    }
}

void log_begin(struct log_line *line, const char *event) {
    struct timespec now;
    struct tm parts;
    char seconds[TIME_SIZE], text[TIME_SIZE + 8];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text, sizeof(text), "%s.%03uZ", seconds, (unsigned) (now.tv_nsec / 1000000) % 1000);
    line->length = 0;
    log_text(line, "time", text);
    log_text(line, "event", event);
}

static bool write_all(const char *text, size_t length) {
    ssize_t written =
        is_socket ? send(log_descriptor, text, length, MSG_DONTWAIT | MSG_NOSIGNAL) : write(log_descriptor, text, length);
    is_torn = is_torn ? written <= 0 : written > 0 && (size_t) written < length;
    return written == (ssize_t) length;
}

void log_end(struct log_line *line) {
    add(line, "}\n", END_RESERVE);
    if ((is_torn && !write_all("\n", 1)) || !write_all(line->text, line->length)) {
        dropped++;
    }
}

void log_event(const char *event, const char *name, const char *value) {
    struct log_line line;
    log_begin(&line, event);
    if (name != nullptr) {
        log_text(&line, name, value);
    }
    log_end(&line);
}
