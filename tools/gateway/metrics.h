// What is counted, and its text for Prometheus.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Why a visitor got a 503.
enum refusal : uint8_t { REFUSED_QUEUE_FULL, REFUSED_QUEUE_WAIT, REFUSED_PER_CLIENT, REFUSED_DRAINING, REFUSALS };

// Why a visit ended badly.
enum failure : uint8_t {
    FAILED_START,        // the VM's process could not be made
    FAILED_VM_ENDED,     // its link was closed before the answer's end
    FAILED_RECORDS,      // it broke the link's rules
    FAILED_BOOT_TIMEOUT, // it was not READY in time
    FAILED_ABORTED,      // its server aborted the connection
    FAILED_IDLE_TIMEOUT,
    FAILED_TOTAL_TIMEOUT,
    FAILED_DRAIN_TIMEOUT,
    FAILURES,
};

enum { BOOT_BUCKETS = 13, METRICS_TEXT_MAX = 8192 };

struct metrics {
    uint64_t boots;
    uint64_t boot_ns_sum;
    uint64_t boot_buckets[BOOT_BUCKETS]; // how many were in this one and in none before
    uint64_t visits;
    uint64_t visits_active; // that have a VM
    uint64_t vms;
    uint64_t vms_warm;
    uint64_t queue_length;
    uint64_t refused[REFUSALS];
    uint64_t failed[FAILURES];
    uint64_t warm_failed;
    uint64_t resets; // of clients, by us
    uint64_t accept_pauses;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t log_lines_dropped;
};
extern struct metrics metrics;

const char *refusal_name(enum refusal refusal);
const char *failure_name(enum failure failure);
void metrics_add_boot(uint64_t boot_ns);
size_t metrics_write(const struct metrics *from, char *text, size_t size); // the length
