// Tests: TEST("what it does, as a sentence") { … } in a *_test.c beside what it tests; on the host and on the target.
//
// A test ends at its first failed expectation. Expectations are for void functions.
#pragma once

#include <starina/types.h>

struct test {
    const char *name;
    const char *file;
    void (*run)(void);
};

#define TEST(sentence) TEST_NAMED(sentence, __COUNTER__)
#define TEST_NAMED(sentence, number) TEST_DEFINE(sentence, number)
#define TEST_DEFINE(sentence, number)                                                                         \
    static void test_##number(void);                                                                          \
    static const struct test test_entry_##number = {sentence, __FILE__, test_##number};                       \
    [[gnu::used, gnu::retain, gnu::section("tests")]] static const struct test *const test_pointer_##number = \
        &test_entry_##number;                                                                                 \
    static void test_##number(void)

#define EXPECT(condition)                              \
    do {                                               \
        if (!(condition)) {                            \
            test_fail(__FILE__, __LINE__, #condition); \
            return;                                    \
        }                                              \
    } while (0)

// Numbers, statuses, pointers.
#define EXPECT_EQ(actual, expected)                                                             \
    do {                                                                                        \
        long long actual_ = (long long) (actual), expected_ = (long long) (expected);           \
        if (actual_ != expected_) {                                                             \
            test_fail_values(__FILE__, __LINE__, #actual " == " #expected, actual_, expected_); \
            return;                                                                             \
        }                                                                                       \
    } while (0)

void test_fail(const char *file, int line, const char *what);
void test_fail_values(const char *file, int line, const char *what, long long actual, long long expected);

// Runs the tests whose name holds `part` ("" for all) and returns how many failed. The last line is "N passed, N failed".
size_t tests_run(const char *part, void (*print)(const char *line));

bool test_passes(const struct test *test);  // runs it here
bool test_execute(const struct test *test); // runs it the host's or the target's way
