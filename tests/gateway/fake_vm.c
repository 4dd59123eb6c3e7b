// A VM for the gateway's tests: does what its arguments name, step by step, over the link at descriptor 3. Trusts the test.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINK = 3, OPEN = 1, DATA = 2, END = 3, READY = 4, ABORT = 5, PART = 32768, PATTERN_PERIOD = 251 };

static uint8_t payload[1 << 16];
static unsigned client_port;
static uint64_t main_at_ns;

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

static void wait_ms(uint64_t ms) {
    struct timespec time = {(time_t) (ms / 1000), (long) (ms % 1000) * 1000000};
    nanosleep(&time, nullptr);
}

// --- Records ---

static void put(const void *bytes, size_t length) {
    for (const char *at = bytes; length > 0;) {
        ssize_t written = write(LINK, at, length);
        if (written <= 0) {
            exit(9);
        }
        at += written;
        length -= (size_t) written;
    }
}

static void say(unsigned type, const void *bytes, size_t length) {
    uint32_t word = (uint32_t) type << 24 | (uint32_t) length;
    put(&word, sizeof(word));
    put(bytes, length);
}

static void take(void *to, size_t length) {
    for (char *at = to; length > 0;) {
        ssize_t count = read(LINK, at, length);
        if (count <= 0) {
            exit(8);
        }
        at += count;
        length -= (size_t) count;
    }
}

static unsigned hear(size_t *out_length) {
    uint32_t word;
    take(&word, sizeof(word));
    *out_length = word & 0xffffff;
    if (*out_length > sizeof(payload)) {
        exit(7);
    }
    take(payload, *out_length);
    return word >> 24;
}

// --- Steps ---

static void hear_open(void) {
    size_t length;
    uint16_t port;
    if (hear(&length) != OPEN || length != 6) {
        exit(6);
    }
    memcpy(&port, payload + 4, sizeof(port));
    client_port = port;
}

static void hear_request(void) {
    size_t length;
    while (hear(&length) == DATA) {
        if (memmem(payload, length, "\r\n\r\n", 4) != nullptr) {
            return;
        }
    }
}

static void answer(size_t cut) {
    char body[128], all[512];
    snprintf(body, sizeof(body), "pid %d client %u main %llu\n", getpid(), client_port, (unsigned long long) main_at_ns);
    int length =
        snprintf(all, sizeof(all), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", strlen(body), body);
    say(DATA, all, cut);
    say(DATA, all + cut, (size_t) length - cut);
}

static void say_each(const char *text) {
    for (; *text != '\0'; text++) {
        say(DATA, text, 1);
    }
}

static void echo(void) {
    size_t length;
    while (hear(&length) == DATA) {
        say(DATA, payload, length);
    }
}

static void blast(uint64_t count) {
    static uint8_t part[PART];
    for (uint64_t at = 0; at < count;) {
        size_t length = count - at < PART ? (size_t) (count - at) : PART;
        for (size_t i = 0; i < length; i++) {
            part[i] = (uint8_t) ((at + i) % PATTERN_PERIOD);
        }
        say(DATA, part, length);
        at += length;
    }
}

static void say_sum(void) {
    uint64_t count = 0, wrong = 0;
    size_t length;
    while (hear(&length) == DATA) {
        for (size_t i = 0; i < length; i++) {
            wrong += payload[i] != (count + i) % PATTERN_PERIOD;
        }
        count += length;
    }
    char text[64];
    say(DATA, text,
        (size_t) snprintf(text, sizeof(text), "%llu bytes, %llu wrong", (unsigned long long) count,
                          (unsigned long long) wrong));
}

// What the sandbox left.
static void say_means(void) {
    struct rlimit memory, core;
    getrlimit(RLIMIT_AS, &memory);
    getrlimit(RLIMIT_CORE, &core);
    int error = socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
    int count = 0;
    for (int i = 0; i < 64; i++) {
        count += fcntl(i, F_GETFD) >= 0;
    }
    char text[128];
    say(DATA, text,
        (size_t) snprintf(text, sizeof(text), "socket %s, memory %llu, core %llu, descriptors %d, leader %d",
                          error == EPERM ? "EPERM" : "allowed", (unsigned long long) memory.rlim_cur >> 20,
                          (unsigned long long) core.rlim_cur, count, getsid(0) == getpid()));
}

static void put_hex(const char *digits) {
    for (unsigned byte; sscanf(digits, "%2x", &byte) == 1; digits += 2) {
        put(&(uint8_t) {(uint8_t) byte}, 1);
    }
}

static void chatter(void) {
    for (;;) {
        puts("the same line for ever");
    }
}

static void do_number(const char *name, uint64_t number) {
    if (strcmp(name, "ready") == 0) {
        say(READY, &number, sizeof(number));
    } else if (strcmp(name, "sleep") == 0) {
        wait_ms(number);
    } else if (strcmp(name, "answer") == 0) {
        answer(number);
    } else if (strcmp(name, "blast") == 0) {
        blast(number);
    } else if (strcmp(name, "exit") == 0) {
        exit((int) number);
    } else {
        exit(5);
    }
}

static void do_text(const char *name, const char *text) {
    if (strcmp(name, "say") == 0) {
        say(DATA, text, strlen(text));
    } else if (strcmp(name, "each") == 0) {
        say_each(text);
    } else if (strcmp(name, "print") == 0) {
        puts(text);
        fflush(stdout);
    } else if (strcmp(name, "hex") == 0) {
        put_hex(text);
    } else {
        do_number(name, strtoull(text, nullptr, 10));
    }
}

struct step {
    const char *name;
    void (*run)(void);
};

static void say_end(void) {
    say(END, nullptr, 0);
}

static void say_abort(void) {
    say(ABORT, nullptr, 0);
}

static void kill_self(void) {
    raise(SIGKILL);
}

static void hang(void) {
    for (;;) {
        pause();
    }
}

static const struct step STEPS[] = {
    {"open", hear_open}, {"request", hear_request}, {"echo", echo},      {"sum", say_sum}, {"means", say_means},
    {"end", say_end},    {"abort", say_abort},      {"kill", kill_self}, {"hang", hang},   {"chatter", chatter},
};

static void do_step(const char *step) {
    char name[16];
    const char *equals = strchr(step, '=');
    for (size_t i = 0; i < sizeof(STEPS) / sizeof(STEPS[0]); i++) {
        if (strcmp(STEPS[i].name, step) == 0) {
            STEPS[i].run();
            return;
        }
    }
    if (equals == nullptr || (size_t) (equals - step) >= sizeof(name)) {
        exit(4);
    }
    snprintf(name, sizeof(name), "%.*s", (int) (equals - step), step);
    do_text(name, equals + 1);
}

int main(int count, char **arguments) {
    main_at_ns = now_ns();
    for (int i = 1; i < count; i++) {
        do_step(arguments[i]);
    }
    return 0;
}
