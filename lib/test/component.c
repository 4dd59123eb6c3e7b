// Runs tests inside a component.
#include "component.h"

static void print(const char *line) {
    log_info("%s", line);
}

bool test_execute(const struct test *test) {
    return test_passes(test);
}

status_t tests_start(void) {
    component_exit(tests_run("", print) == 0 ? 0 : 1);
}
