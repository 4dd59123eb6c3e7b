// Serves GET /metrics, to a few clients at a time, each for a short time only. Trusts none of them.
#include "metrics_server.h"

#include "clock.h"
#include "linger.h"
#include "log.h"
#include "metrics.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { REQUEST_MAX = 2048, HEAD_MAX = 256 };
enum : uint64_t { REQUEST_TIMEOUT_NS = 2 * NSEC_PER_SEC };

struct asker {
    struct source client;
    struct deadline deadline;
    size_t length;
    char request[REQUEST_MAX + 1];
};

static struct asker askers[METRICS_CLIENTS_MAX];

static void end(struct asker *asker) {
    deadline_clear(&asker->deadline);
    source_close(&asker->client);
}

static void on_due(struct deadline *deadline) {
    end(OWNER(deadline, struct asker, deadline));
}

static bool asks_for_metrics(const char *request) {
    static const char WANTED[] = "GET /metrics";
    size_t length = sizeof(WANTED) - 1;
    return strncmp(request, WANTED, length) == 0 && (request[length] == ' ' || request[length] == '?');
}

// Fits into a fresh socket's buffer.
static void answer(struct asker *asker) {
    static char text[METRICS_TEXT_MAX], all[HEAD_MAX + METRICS_TEXT_MAX];
    bool is_found = asks_for_metrics(asker->request);
    metrics.log_lines_dropped = log_dropped();
    size_t length = is_found ? metrics_write(&metrics, text, sizeof(text)) : 0;
    int total = snprintf(all, sizeof(all),
                         "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %zu\r\n"
                         "Connection: close\r\n\r\n%.*s",
                         is_found ? "200 OK" : "404 Not Found", length, (int) length, text);
    (void) send(asker->client.descriptor, all, (size_t) total, MSG_NOSIGNAL | MSG_DONTWAIT);
    deadline_clear(&asker->deadline);
    linger_begin(source_release(&asker->client));
}

static void on_client(struct source *source, uint32_t events) {
    (void) events;
    struct asker *asker = OWNER(source, struct asker, client);
    ssize_t received = recv(source->descriptor, asker->request + asker->length, REQUEST_MAX - asker->length, 0);
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (received <= 0) {
        end(asker);
        return;
    }
    asker->length += (size_t) received;
    asker->request[asker->length] = '\0';
    if (strstr(asker->request, "\r\n\r\n") != nullptr || asker->length == REQUEST_MAX) {
        answer(asker);
    }
}

// A free place, made by dropping whoever came first if need be.
static struct asker *find_place(void) {
    struct asker *oldest = &askers[0];
    for (size_t i = 0; i < METRICS_CLIENTS_MAX; i++) {
        if (!askers[i].client.is_open) {
            return &askers[i];
        }
        oldest = askers[i].deadline.at_ns < oldest->deadline.at_ns ? &askers[i] : oldest;
    }
    end(oldest);
    return oldest;
}

void metrics_server_take(int descriptor, const struct sockaddr_in *address) {
    (void) address;
    struct asker *asker = find_place();
    asker->length = 0;
    if (!source_open(&asker->client, descriptor, EPOLLIN, on_client)) {
        source_close(&asker->client);
        return;
    }
    deadline_set(&asker->deadline, clock_now() + REQUEST_TIMEOUT_NS, on_due);
}

void metrics_server_end(void) {
    for (size_t i = 0; i < METRICS_CLIENTS_MAX; i++) {
        if (askers[i].client.is_open) {
            end(&askers[i]);
        }
    }
}
