// Adds up the ledger. Every call must have been answered, or have failed because its server ended; and where nobody was
// killed, must have been answered.
#include "books.h"

#include <starina/component.h>

// A call under way when its caller was killed was begun shortly before: else its answer was lost.
enum : nsec_t { LATE = 10 * NSEC_PER_SEC };

static uint64_t under_way(const struct edge *edge) {
    return edge->sent - edge->answered - edge->closed - edge->failed - edge->abandoned;
}

void books_settle(struct ledger *ledger, uint32_t worker, nsec_t now) {
    for (uint32_t i = worker * EDGES_EACH; i < (worker + 1) * EDGES_EACH; i++) {
        struct edge *edge = &ledger->edges[i];
        edge->abandoned += under_way(edge);
        for (size_t manner = 0; manner < MANNERS; manner++) {
            edge->late += edge->begun_ns[manner] != 0 && now - edge->begun_ns[manner] > LATE;
            edge->begun_ns[manner] = 0;
        }
    }
}

bool books_are_closed(const struct ledger *ledger) {
    for (uint32_t i = 0; i < EDGES; i++) {
        if (under_way(&ledger->edges[i]) != 0) {
            return false;
        }
    }
    return true;
}

// Nullptr: nothing is wrong.
static const char *fault_of(uint32_t number, const struct edge *edge, const uint32_t deaths[WORKERS]) {
    uint32_t caller_deaths = deaths[edge_caller(number)], server_deaths = deaths[edge_server(number)];
    if (edge->answered == 0 && caller_deaths + server_deaths == 0) {
        return "nothing was answered"; // one that is killed soon may get and give no answer
    }
    if (under_way(edge) != 0 || edge->late != 0) {
        return "an answer was lost";
    }
    if (edge->repeated != 0 || edge->unknown != 0) {
        return "a call was served twice, or never sent";
    }
    if (edge->failed != 0) {
        return "a call failed";
    }
    if (edge->answered > edge->served || edge->served > edge->sent) {
        return "more was answered than served, or served than sent";
    }
    if (edge->closed > MANNERS * server_deaths || edge->abandoned > MANNERS * caller_deaths) {
        return "more calls failed than were under way when somebody was killed";
    }
    return nullptr;
}

struct totals {
    uint64_t sent, answered, closed, abandoned, lost, repeated, failed;
};

static void add(struct totals *totals, const struct edge *edge) {
    totals->sent += edge->sent;
    totals->answered += edge->answered;
    totals->closed += edge->closed;
    totals->abandoned += edge->abandoned;
    totals->lost += under_way(edge) + edge->late;
    totals->repeated += edge->repeated + edge->unknown;
    totals->failed += edge->failed;
}

bool books_check(const struct ledger *ledger, const uint32_t deaths[WORKERS]) {
    struct totals totals = {};
    bool is_right = ledger->strays == 0;
    for (uint32_t i = 0; i < EDGES; i++) {
        const struct edge *edge = &ledger->edges[i];
        const char *fault = fault_of(i, edge, deaths);
        add(&totals, edge);
        if (fault != nullptr) {
            is_right = false;
            log_error("edge %u, %u to %u: %s: %lu sent, %lu served, %lu answered, %lu closed, %lu abandoned", i, edge_caller(i),
                      edge_server(i), fault, edge->sent, edge->served, edge->answered, edge->closed, edge->abandoned);
        }
    }
    log_info("calls: %lu sent, %lu answered, %lu closed, %lu abandoned, %lu failed, %lu lost, %lu twice", totals.sent,
             totals.answered, totals.closed, totals.abandoned, totals.failed, totals.lost, totals.repeated + ledger->strays);
    return is_right;
}
