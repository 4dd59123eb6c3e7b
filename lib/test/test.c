// Runs the tests that the linker collected.
#include "test.h"

#include <stdio.h>
#include <string.h>

enum { LINE_SIZE = 250 };

extern const struct test *const __start_tests[], *const __stop_tests[];

static void (*print_line)(const char *line);
static bool has_failed;

void test_fail(const char *file, int line, const char *what) {
    char text[LINE_SIZE];
    snprintf(text, sizeof(text), "%s:%d: expected %s", file, line, what);
    print_line(text);
    has_failed = true;
}

void test_fail_values(const char *file, int line, const char *what, long long actual, long long expected) {
    char text[LINE_SIZE];
    snprintf(text, sizeof(text), "%s:%d: expected %s: %lld, not %lld", file, line, what, actual, expected);
    print_line(text);
    has_failed = true;
}

bool test_passes(const struct test *test) {
    has_failed = false;
    test->run();
    return !has_failed;
}

static bool run(const struct test *test) {
    bool passed = test_execute(test);
    char text[LINE_SIZE];
    snprintf(text, sizeof(text), "%s: %s", passed ? "ok" : "FAILED", test->name);
    print_line(text);
    return passed;
}

size_t tests_run(const char *part, void (*print)(const char *line)) {
    size_t passed = 0, failed = 0;
    print_line = print;
    for (const struct test *const *test = __start_tests; test < __stop_tests; test++) {
        if (strstr((*test)->name, part) != nullptr) {
            *(run(*test) ? &passed : &failed) += 1;
        }
    }
    char text[LINE_SIZE];
    snprintf(text, sizeof(text), "%zu passed, %zu failed", passed, failed);
    print(text);
    return failed;
}
