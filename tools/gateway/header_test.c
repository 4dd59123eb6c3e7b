// test-with: tools/gateway/header.c
#include "header.h"

#include <test/test.h>

#include <stdio.h>
#include <string.h>

static char result[1024];

// What a client gets when the answer comes in parts of this size.
static const char *pass(const char *answer, size_t length, size_t part) {
    struct header header = {};
    size_t sent = 0;
    for (size_t at = 0; at < length;) {
        size_t count = length - at < part ? length - at : part;
        size_t taken = header_take(&header, (const uint8_t *) answer + at, count, 1234);
        if (taken == 0) { // it is decided, so this goes straight on
            memcpy(result + header.length + sent, answer + at, count);
            sent += count;
            taken = count;
        }
        at += taken;
    }
    header_finish(&header);
    memcpy(result, header.bytes, header.length);
    result[header.length + sent] = '\0';
    return result;
}

static bool passes(const char *answer, const char *expected) {
    for (size_t part = 1; part <= strlen(answer) + 1; part++) {
        if (strcmp(pass(answer, strlen(answer), part), expected) != 0) {
            return false;
        }
    }
    return true;
}

TEST("the line comes behind the first one, however the answer is cut") {
    EXPECT(passes("HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody", "HTTP/1.1 200 OK\r\nX-Starina-Boot-Us: 1234\r\nA: b\r\n\r\nbody"));
    EXPECT(passes("HTTP/1.0 404\r\n\r\n", "HTTP/1.0 404\r\nX-Starina-Boot-Us: 1234\r\n\r\n"));
}

TEST("only the first line end counts") {
    EXPECT(passes("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
                  "HTTP/1.1 200 OK\r\nX-Starina-Boot-Us: 1234\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"));
}

TEST("what is not HTTP/1 stays as it is") {
    static const char *const ANSWERS[] = {
        "", "H", "HTTP/1.", "HTTP/2 200\r\n\r\n", "http/1.1 200\r\n", "\r\nHTTP/1.1 200\r\n", "HTTP/1.1\n\n"};
    for (size_t i = 0; i < sizeof(ANSWERS) / sizeof(ANSWERS[0]); i++) {
        EXPECT(passes(ANSWERS[i], ANSWERS[i]));
    }
}

TEST("a first line of 256 bytes is the longest in which the end is found") {
    char answer[400];
    for (size_t length = 250; length < 260; length++) {
        snprintf(answer, sizeof(answer), "HTTP/1.1 200 %0*d\r\n\r\n", (int) length - 15, 0);
        bool is_changed = strstr(pass(answer, strlen(answer), 7), "X-Starina") != nullptr;
        EXPECT_EQ(is_changed, length < 256); // the 256th byte decides, whatever it is
    }
}

TEST("the longest number fits") {
    struct header header = {};
    char answer[HEADER_SEARCH_MAX];
    snprintf(answer, sizeof(answer), "HTTP/1.1 200 %0*d\r\n", HEADER_SEARCH_MAX - 16, 0);
    header_take(&header, (const uint8_t *) answer, strlen(answer), UINT64_MAX);
    EXPECT(header.is_decided && header.length > strlen(answer) && header.length <= sizeof(header.bytes));
}
