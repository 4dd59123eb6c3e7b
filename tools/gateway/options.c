// Reads the command line. Every mistake is answered with one line that says what to do.
#include "options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct number_option {
    const char *name;
    size_t field;
    uint64_t low, high, preset;
    const char *help;
};

enum : uint64_t { DAY_MS = 24 * 60 * 60 * 1000 };

#define FIELD(name) offsetof(struct options, name)

static const struct number_option NUMBERS[] = {
    {"--vms", FIELD(vms), 1, 4096, 64, "VMs at once, waiting ones included"},
    {"--warm", FIELD(warm), 0, 4096, 0, "VMs booted in advance"},
    {"--per-client", FIELD(per_client), 1, 65536, 32, "visits at once from one address"},
    {"--queue", FIELD(queue), 0, 65536, 256, "visitors that wait for a VM"},
    {"--queue-wait-ms", FIELD(queue_wait_ms), 1, DAY_MS, 5000, "how long each waits"},
    {"--boot-timeout-ms", FIELD(boot_timeout_ms), 1, DAY_MS, 10000, "until a VM must be ready"},
    {"--idle-timeout-ms", FIELD(idle_timeout_ms), 1, DAY_MS, 30000, "without a byte either way"},
    {"--total-timeout-ms", FIELD(total_timeout_ms), 1, DAY_MS, 600000, "of a visit"},
    {"--drain-timeout-ms", FIELD(drain_timeout_ms), 1, DAY_MS, 10000, "for visits to end, after SIGTERM"},
    {"--vm-memory-mib", FIELD(vm_memory_mib), 1, 1 << 20, 1536, "address space of a VM's process; QEMU takes 1 GiB for code"},
};
enum { NUMBER_COUNT = sizeof(NUMBERS) / sizeof(NUMBERS[0]) };

void options_print_help(void) {
    puts("Usage: gateway [OPTION]... -- COMMAND [ARGUMENT]...\n\n"
         "Runs COMMAND, a virtual machine, for each TCP connection, and joins the two: docs/gateway.md.\n\n"
         "  --listen ADDRESS:PORT    where visitors come (IPv4), or a systemd socket named 'http'\n"
         "  --metrics ADDRESS:PORT   where Prometheus asks, or a systemd socket named 'metrics'\n"
         "  --log FILE               appends the log there, not to stderr");
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        const struct number_option *option = &NUMBERS[i];
        printf("  %-18s N     %s (default: %llu)\n", option->name, option->help, (unsigned long long) option->preset);
    }
    puts("  --help                   this");
}

static bool parse_number(const char *text, uint64_t *out_number) {
    char *end;
    errno = 0;
    *out_number = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
}

static bool parse_address(const char *text, struct sockaddr_in *out_address) {
    char host[INET_ADDRSTRLEN] = "";
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (colon == nullptr || (size_t) (colon - text) >= sizeof(host) || !parse_number(colon + 1, &port) || port > UINT16_MAX) {
        return false;
    }
    memcpy(host, text, (size_t) (colon - text));
    *out_address = (struct sockaddr_in) {.sin_family = AF_INET, .sin_port = htons((uint16_t) port)};
    return port > 0 && inet_pton(AF_INET, host, &out_address->sin_addr) == 1;
}

// --- One option ---

static const struct number_option *find_number(const char *name) {
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        if (strcmp(NUMBERS[i].name, name) == 0) {
            return &NUMBERS[i];
        }
    }
    return nullptr;
}

static bool set_number(struct options *options, const struct number_option *option, const char *value, char *complaint) {
    uint64_t number;
    if (!parse_number(value, &number) || number < option->low || number > option->high) {
        snprintf(complaint, COMPLAINT_MAX, "%s '%.40s': give a number from %llu to %llu", option->name, value,
                 (unsigned long long) option->low, (unsigned long long) option->high);
        return false;
    }
    memcpy((char *) options + option->field, &number, sizeof(number));
    return true;
}

static bool set_address(struct sockaddr_in *address, const char *name, const char *value, char *complaint) {
    if (!parse_address(value, address)) {
        snprintf(complaint, COMPLAINT_MAX, "%s '%.40s': give an IPv4 address and a port, as in 127.0.0.1:8080", name, value);
        return false;
    }
    return true;
}

static bool set(struct options *options, const char *name, const char *value, char *complaint) {
    const struct number_option *number = find_number(name);
    if (number != nullptr) {
        return set_number(options, number, value, complaint);
    }
    if (strcmp(name, "--listen") == 0) {
        return set_address(&options->listen, name, value, complaint);
    }
    if (strcmp(name, "--metrics") == 0) {
        return set_address(&options->metrics, name, value, complaint);
    }
    options->log_path = value;
    return true;
}

static bool is_known(const char *name) {
    return find_number(name) != nullptr || strcmp(name, "--listen") == 0 || strcmp(name, "--metrics") == 0 ||
           strcmp(name, "--log") == 0;
}

// --- All of them ---

static bool check(const struct options *options, char *complaint) {
    if (options->shows_help) {
        return true;
    }
    if (options->command == nullptr || options->command[0] == nullptr) {
        snprintf(complaint, COMPLAINT_MAX, "no command: give the VM's command line behind '--'");
        return false;
    }
    if (options->warm > options->vms) {
        snprintf(complaint, COMPLAINT_MAX, "--warm %llu: at most --vms, which is %llu", (unsigned long long) options->warm,
                 (unsigned long long) options->vms);
        return false;
    }
    return true;
}

// `--name VALUE` or `--name=VALUE`. Returns how many arguments it took; 0: a complaint is written.
static int parse_one(char **arguments, struct options *options, char *complaint) {
    char name[32];
    size_t length = strcspn(arguments[0], "=");
    snprintf(name, sizeof(name), "%.*s", (int) (length < sizeof(name) ? length : sizeof(name) - 1), arguments[0]);
    bool has_equals = arguments[0][length] == '=';
    if (!is_known(name)) {
        snprintf(complaint, COMPLAINT_MAX, "unknown option '%.40s'; see: gateway --help", arguments[0]);
        return 0;
    }
    const char *value = has_equals ? arguments[0] + length + 1 : arguments[1];
    if (value == nullptr || (!has_equals && strcmp(value, "--") == 0)) {
        snprintf(complaint, COMPLAINT_MAX, "%s needs a value; see: gateway --help", name);
        return 0;
    }
    return !set(options, name, value, complaint) ? 0 : has_equals ? 1 : 2;
}

bool options_parse(char **arguments, struct options *out_options, char out_complaint[COMPLAINT_MAX]) {
    *out_options = (struct options) {};
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        memcpy((char *) out_options + NUMBERS[i].field, &NUMBERS[i].preset, sizeof(uint64_t));
    }
    while (*arguments != nullptr) {
        if (strcmp(*arguments, "--") == 0) {
            out_options->command = arguments + 1;
            break;
        }
        if (strcmp(*arguments, "--help") == 0) {
            out_options->shows_help = true;
            arguments++;
            continue;
        }
        int taken = parse_one(arguments, out_options, out_complaint);
        if (taken == 0) {
            return false;
        }
        arguments += taken;
    }
    return check(out_options, out_complaint);
}
