// test-with: tools/gateway/options.c
#include "options.h"

#include <test/test.h>

#include <string.h>

static struct options options;
static char complaint[COMPLAINT_MAX];

#define PARSE(...) options_parse((char *[]) {__VA_ARGS__ __VA_OPT__(, ) nullptr}, &options, complaint)
#define COMPLAINS(part, ...) (complaint[0] = '\0', !PARSE(__VA_ARGS__) && strstr(complaint, part) != nullptr)

TEST("everything but the command has a default") {
    EXPECT(PARSE("--", "true"));
    EXPECT_EQ(options.vms, 64);
    EXPECT_EQ(options.warm, 0);
    EXPECT_EQ(options.listen.sin_family, 0);
    EXPECT(options.log_path == nullptr);
    EXPECT(strcmp(options.command[0], "true") == 0);
}

TEST("values stand behind a blank or an equals sign") {
    EXPECT(PARSE("--vms", "8", "--warm=2", "--log=a=b", "--listen", "127.0.0.1:8080", "--", "qemu", "--vms"));
    EXPECT_EQ(options.vms, 8);
    EXPECT_EQ(options.warm, 2);
    EXPECT(strcmp(options.log_path, "a=b") == 0);
    EXPECT_EQ(ntohs(options.listen.sin_port), 8080);
    EXPECT_EQ(ntohl(options.listen.sin_addr.s_addr), 0x7f000001);
    EXPECT(strcmp(options.command[1], "--vms") == 0);
}

TEST("the last of several wins") {
    EXPECT(PARSE("--vms", "8", "--vms", "9", "--", "true"));
    EXPECT_EQ(options.vms, 9);
}

TEST("numbers are numbers within their bounds") {
    EXPECT(COMPLAINS("--vms '0': give a number from 1 to 4096", "--vms", "0", "--", "true"));
    EXPECT(COMPLAINS("'4097'", "--vms", "4097", "--", "true"));
    EXPECT(COMPLAINS("'8x'", "--vms", "8x", "--", "true"));
    EXPECT(COMPLAINS("'-1'", "--queue", "-1", "--", "true"));
    EXPECT(COMPLAINS("''", "--queue=", "--", "true"));
    EXPECT(COMPLAINS("'99999999999999999999999'", "--queue", "99999999999999999999999", "--", "true"));
}

TEST("addresses are IPv4 with a port") {
    static char *const WRONG[] = {"8080",
                                  ":8080",
                                  "localhost:8080",
                                  "127.0.0.1",
                                  "127.0.0.1:",
                                  "127.0.0.1:0",
                                  "127.0.0.1:65536",
                                  "[::1]:80",
                                  "1.2.3.4.5.6.7.8.9.10:80"};
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
        EXPECT(COMPLAINS("as in 127.0.0.1:8080", "--listen", WRONG[i], "--", "true"));
        EXPECT(COMPLAINS("as in 127.0.0.1:8080", "--metrics", WRONG[i], "--", "true"));
    }
}

TEST("what is missing is named") {
    EXPECT(COMPLAINS("no command"));
    EXPECT(COMPLAINS("no command", "--"));
    EXPECT(COMPLAINS("--vms needs a value", "--vms"));
    EXPECT(COMPLAINS("--vms needs a value", "--vms", "--", "true"));
    EXPECT(COMPLAINS("unknown option 'qemu'", "qemu"));
    EXPECT(COMPLAINS("unknown option '--a-very-long-option", "--a-very-long-option-that-nobody-has-ever-heard-of=1"));
    EXPECT(COMPLAINS("--warm 65: at most --vms", "--warm", "65", "--", "true"));
}

TEST("help needs nothing else") {
    EXPECT(PARSE("--help"));
    EXPECT(options.shows_help);
}
