// The command line.
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

struct options {
    struct sockaddr_in listen, metrics; // sin_family 0: not given
    const char *log_path;               // nullptr: stderr
    uint64_t vms, warm, per_client, queue;
    uint64_t queue_wait_ms, boot_timeout_ms, idle_timeout_ms, total_timeout_ms, drain_timeout_ms;
    uint64_t vm_memory_mib;
    bool shows_help;
    char **command; // ends with nullptr
};

enum { COMPLAINT_MAX = 200 };

// False: *out_complaint says what to do.
bool options_parse(char **arguments, struct options *out_options, char out_complaint[COMPLAINT_MAX]);
void options_print_help(void);
