// Counts, and writes the counts in Prometheus' text format 0.0.4.
#include "metrics.h"

#include <stdarg.h>
#include <stdio.h>

struct metrics metrics;

static const double BOUNDS[BOOT_BUCKETS] = {0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5}; // seconds
static const char *const REFUSAL_NAMES[REFUSALS] = {"queue_full", "queue_wait", "per_client", "draining"};
static const char *const FAILURE_NAMES[FAILURES] = {"start",   "vm_ended",     "records",       "boot_timeout",
                                                    "aborted", "idle_timeout", "total_timeout", "drain_timeout"};

const char *refusal_name(enum refusal refusal) {
    return REFUSAL_NAMES[refusal];
}

const char *failure_name(enum failure failure) {
    return FAILURE_NAMES[failure];
}

void metrics_add_boot(uint64_t boot_ns) {
    double seconds = (double) boot_ns / 1e9;
    metrics.boots++;
    metrics.boot_ns_sum += boot_ns;
    for (size_t i = 0; i < BOOT_BUCKETS; i++) {
        if (seconds <= BOUNDS[i]) {
            metrics.boot_buckets[i]++;
            return;
        }
    }
}

// --- Text ---

struct text {
    char *to;
    size_t size;
    size_t length;
};

[[gnu::format(printf, 2, 3)]] static void print(struct text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int count = vsnprintf(text->to + text->length, text->size - text->length, format, arguments);
    va_end(arguments);
    if (count > 0 && (size_t) count < text->size - text->length) {
        text->length += (size_t) count;
    }
}

static void print_head(struct text *text, const char *name, const char *type, const char *help) {
    print(text, "# HELP starina_%s %s\n# TYPE starina_%s %s\n", name, help, name, type);
}

static void print_one(struct text *text, const char *name, const char *type, const char *help, uint64_t value) {
    print_head(text, name, type, help);
    print(text, "starina_%s %llu\n", name, (unsigned long long) value);
}

static void print_labelled(struct text *text, const char *name, const char *label, const char *of, uint64_t value) {
    print(text, "starina_%s{%s=\"%s\"} %llu\n", name, label, of, (unsigned long long) value);
}

static void print_boots(struct text *text, const struct metrics *from) {
    print_one(text, "boots_total", "counter", "VMs that became ready.", from->boots);
    print_head(text, "boot_seconds", "histogram", "From the start of the VM's process to ready.");
    uint64_t sum = 0;
    for (size_t i = 0; i < BOOT_BUCKETS; i++) {
        sum += from->boot_buckets[i];
        print(text, "starina_boot_seconds_bucket{le=\"%g\"} %llu\n", BOUNDS[i], (unsigned long long) sum);
    }
    print(text, "starina_boot_seconds_bucket{le=\"+Inf\"} %llu\n", (unsigned long long) from->boots);
    print(text, "starina_boot_seconds_sum %.9f\n", (double) from->boot_ns_sum / 1e9);
    print(text, "starina_boot_seconds_count %llu\n", (unsigned long long) from->boots);
}

static void print_states(struct text *text, const struct metrics *from) {
    print_one(text, "visits_total", "counter", "Connections accepted.", from->visits);
    print_one(text, "visits_active", "gauge", "Visits that have a VM.", from->visits_active);
    print_one(text, "vms", "gauge", "VM processes.", from->vms);
    print_one(text, "vms_warm", "gauge", "VMs that are ready and wait for a visitor.", from->vms_warm);
    print_one(text, "queue_length", "gauge", "Visitors that wait for a VM.", from->queue_length);
}

static void print_troubles(struct text *text, const struct metrics *from) {
    print_head(text, "refused_total", "counter", "Visitors that got a 503.");
    for (size_t i = 0; i < REFUSALS; i++) {
        print_labelled(text, "refused_total", "reason", REFUSAL_NAMES[i], from->refused[i]);
    }
    print_head(text, "failed_total", "counter", "Visits that ended badly.");
    for (size_t i = 0; i < FAILURES; i++) {
        print_labelled(text, "failed_total", "reason", FAILURE_NAMES[i], from->failed[i]);
    }
    print_one(text, "warm_failed_total", "counter", "VMs that failed before a visitor came.", from->warm_failed);
    print_one(text, "resets_total", "counter", "Clients reset in mid-answer.", from->resets);
    print_one(text, "accept_pauses_total", "counter", "Times that accepting paused for want of descriptors.",
              from->accept_pauses);
    print_one(text, "log_lines_dropped_total", "counter", "Log lines that could not be written.", from->log_lines_dropped);
}

size_t metrics_write(const struct metrics *from, char *to, size_t size) {
    struct text text = {to, size, 0};
    print_boots(&text, from);
    print_states(&text, from);
    print_troubles(&text, from);
    print_head(&text, "bytes_total", "counter", "Bytes from clients (in) and to them (out).");
    print_labelled(&text, "bytes_total", "direction", "in", from->bytes_in);
    print_labelled(&text, "bytes_total", "direction", "out", from->bytes_out);
    return text.length;
}
