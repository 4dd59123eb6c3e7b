// Runs tests on the host, each in a process of its own: all, or those whose name holds the first argument.
//
// So every test finds the static state as it was linked, and one that crashes fails alone.
#include <test/test.h>

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void print(const char *line) {
    puts(line);
    fflush(stdout); // a sanitizer may end us
}

bool test_execute(const struct test *test) {
    pid_t child = fork();
    if (child == 0) {
        int code = test_passes(test) ? 0 : 1;
        fflush(stdout);
        _exit(code);
    }
    int state;
    return child > 0 && waitpid(child, &state, 0) == child && WIFEXITED(state) && WEXITSTATUS(state) == 0;
}

int main(int argc, char **argv) {
    return tests_run(argc > 1 ? argv[1] : "", print) == 0 ? 0 : 1;
}
