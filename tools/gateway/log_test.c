// test-with: tools/gateway/log.c
#include "log.h"

#include <test/test.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct log_line line;

static bool has(const char *part) {
    return memmem(line.text, line.length, part, strlen(part)) != nullptr;
}

TEST("a line begins with time and event") {
    log_begin(&line, "start");
    EXPECT(has("{\"time\":\"20") && has("Z\",\"event\":\"start\""));
}

TEST("texts are escaped, and everything beyond ASCII too") {
    log_begin(&line, "x");
    log_text(&line, "console", "a\"b\\c\n\x7f\xff");
    EXPECT(has(",\"console\":\"a\\u0022b\\u005cc\\u000a\\u007f\\u00ff\""));
}

TEST("numbers stand without quotes") {
    log_begin(&line, "x");
    log_number(&line, "n", UINT64_MAX);
    EXPECT(has(",\"n\":18446744073709551615"));
}

static char long_text[LOG_LINE_MAX * 2];

TEST("a field that does not fit is left out, and the next one may fit") {
    memset(long_text, 'x', sizeof(long_text) - 1);
    for (size_t length = 0; length < LOG_LINE_MAX * 2 - 1; length += 7) {
        log_begin(&line, "x");
        log_text(&line, "long", long_text + length);
        log_number(&line, "n", 1);
        EXPECT(line.length + 2 <= LOG_LINE_MAX);
        EXPECT(line.text[line.length - 1] == '1' || line.text[line.length - 1] == '"');
    }
}

TEST("a pipe that nobody reads drops lines, and those that follow stand on lines of their own") {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    EXPECT(dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
    EXPECT(log_open(nullptr));
    memset(long_text, 'x', 1000);
    long_text[1000] = '\0';
    for (int i = 0; i < 200; i++) {
        log_event("x", "long", long_text);
    }
    EXPECT(log_dropped() > 50);
    static char content[1 << 17];
    ssize_t length = read(ends[0], content, sizeof(content));
    log_event("last", nullptr, nullptr);
    length += read(ends[0], content + length, sizeof(content) - (size_t) length);
    EXPECT(memmem(content, (size_t) length, "\n{\"time\"", 8) != nullptr);
    EXPECT(memmem(content, (size_t) length, "\"event\":\"last\"}\n", 16) != nullptr);
}
