// Formatted text for the kernel log, against the C library's.
//
// test-with: kernel/format.c
#include "format.h"

#include <test/test.h>

#include <stdio.h>
#include <string.h>

enum { SIZE = 64 };
static char text[SIZE];

static size_t format(size_t size, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t length = format_text(text, size, format, arguments);
    va_end(arguments);
    return length;
}

#define EXPECT_LIKE_PRINTF(...)                             \
    do {                                                    \
        char expected[SIZE];                                \
        int length = snprintf(expected, SIZE, __VA_ARGS__); \
        EXPECT_EQ(format(SIZE, __VA_ARGS__), length);       \
        EXPECT_EQ(strcmp(text, expected), 0);               \
    } while (0)

TEST("numbers are written as C's printf writes them, at their limits too") {
    EXPECT_LIKE_PRINTF("%d %d %d", 0, 42, -42);
    EXPECT_LIKE_PRINTF("%d %d", INT32_MAX, INT32_MIN);
    EXPECT_LIKE_PRINTF("%ld %ld", INT64_MAX, INT64_MIN);
    EXPECT_LIKE_PRINTF("%u %lu", UINT32_MAX, UINT64_MAX);
    EXPECT_LIKE_PRINTF("%x %lx %x", 0xbeefu, UINT64_MAX, 0u);
    EXPECT_LIKE_PRINTF("%zu", (size_t) 7);
    EXPECT_LIKE_PRINTF("%lu.%03lu %5lu %06u", 12ul, 3ul, 9ul, 123456789u);
}

TEST("strings are cut at their precision, characters and percent signs are themselves") {
    EXPECT_LIKE_PRINTF("%s|%.3s|%.*s|%c|%%", "whole", "prefix", 2, "abc", 'z');
    EXPECT_LIKE_PRINTF("%.0s%.*s", "nothing", 0, "at all");
    const char unterminated[3] = {'a', 'b', 'c'};
    EXPECT_EQ(format(SIZE, "%.*s", 3, unterminated), 3);
}

TEST("pointers are hexadecimal") {
    EXPECT_EQ(format(SIZE, "%p", (void *) 0x12ab), 6);
    EXPECT_EQ(strcmp(text, "0x12ab"), 0);
}

TEST("what does not fit is cut, always with a NUL, and nothing lies behind it") {
    for (size_t size = 1; size < 24; size++) {
        memset(text, '#', SIZE);
        size_t length = format(size, "%s %d %lx", "text", -12345, 0xdeadbeeful);
        EXPECT_EQ(length, size - 1 < 20 ? size - 1 : 20);
        EXPECT_EQ(text[length], '\0');
        EXPECT_EQ(text[size], '#');
    }
    EXPECT_EQ(format(0, "%d", 1), 0);
}
