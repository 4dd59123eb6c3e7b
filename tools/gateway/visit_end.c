// Ends visits: tells the client what became of its connection, the log why, and counts it. Trusts neither clients nor VMs.
#include "visit.h"

#include "answers.h"
#include "clock.h"
#include "linger.h"
#include "log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// --- Log ---

static void name_client(const struct sockaddr_in *address, char *to, size_t size) {
    char host[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &address->sin_addr, host, sizeof(host));
    snprintf(to, size, "%s:%u", host, ntohs(address->sin_port));
}

static void log_client(struct log_line *line, uint64_t number, const struct sockaddr_in *address) {
    char client[INET_ADDRSTRLEN + 8];
    name_client(address, client, sizeof(client));
    log_begin(line, "visit");
    log_number(line, "visit", number);
    log_text(line, "client", client);
}

static void log_visit(struct visit *visit, const char *outcome, const char *reason, const char *console) {
    struct log_line line;
    uint64_t now = clock_now();
    log_client(&line, visit->number, &visit->address);
    log_text(&line, "outcome", outcome);
    if (reason != nullptr) {
        log_text(&line, "reason", reason);
    }
    log_number(&line, "duration_ms", (now - visit->began_at_ns) / NSEC_PER_MSEC);
    if (visit->vm != nullptr) {
        log_number(&line, "queued_ms", (visit->joined_at_ns - visit->began_at_ns) / NSEC_PER_MSEC);
        log_number(&line, "boot_us", visit->vm->link.parser.boot_ns / NSEC_PER_USEC);
    }
    log_number(&line, "bytes_in", visit->bytes_in);
    log_number(&line, "bytes_out", visit->bytes_out);
    if (console != nullptr) {
        log_text(&line, "console", console);
    }
    log_end(&line);
}

// --- Ends ---

// A close that destroys what is on its way: the client learns that something is missing.
static void reset(int descriptor) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void) setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(descriptor);
    metrics.resets++;
}

void visit_end_served(struct visit *visit) {
    log_visit(visit, "served", nullptr, nullptr);
    linger_begin(visit_release(visit));
}

void visit_end_left(struct visit *visit) {
    log_visit(visit, "client_left", nullptr, nullptr);
    close(visit_release(visit));
}

void visit_end_refused(struct visit *visit, enum refusal refusal) {
    metrics.refused[refusal]++;
    log_visit(visit, "refused", refusal_name(refusal), nullptr);
    answer_send(visit_release(visit), ANSWER_UNAVAILABLE);
}

static enum answer answer_to(enum failure failure) {
    switch (failure) {
    case FAILED_IDLE_TIMEOUT:
    case FAILED_TOTAL_TIMEOUT:
        return ANSWER_TIMEOUT;
    case FAILED_DRAIN_TIMEOUT:
        return ANSWER_UNAVAILABLE;
    default:
        return ANSWER_BAD_GATEWAY;
    }
}

void visit_end_failed(struct visit *visit, enum failure failure) {
    char console[CONSOLE_LINE_MAX + 1] = "";
    snprintf(console, sizeof(console), "%s", failure == FAILED_START ? strerror(errno) : vm_last_line(visit->vm));
    bool has_answer_begun = visit->bytes_out > 0 || failure == FAILED_ABORTED;
    metrics.failed[failure]++;
    log_visit(visit, "failed", failure_name(failure), console);
    int descriptor = visit_release(visit);
    if (has_answer_begun) {
        reset(descriptor);
    } else {
        answer_send(descriptor, answer_to(failure));
    }
}

void visit_end_silent(struct visit *visit) {
    log_visit(visit, "silent", nullptr, nullptr);
    linger_begin(visit_release(visit));
}

void visit_refuse_at_once(int descriptor, uint64_t number, const struct sockaddr_in *address, enum refusal refusal) {
    struct log_line line;
    metrics.refused[refusal]++;
    log_client(&line, number, address);
    log_text(&line, "outcome", "refused");
    log_text(&line, "reason", refusal_name(refusal));
    log_end(&line);
    answer_send(descriptor, ANSWER_UNAVAILABLE);
}
