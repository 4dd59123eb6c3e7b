// test-with: apps/stress_control/books.c
// The books of the SMP stress: what is wrong is found.
#include "books.h"

#include <test/host/fake_kernel.h>
#include <test/test.h>

enum { CALLS = 100 };
enum : uint32_t { OF_SURVIVORS = 0, OF_VICTIM = SURVIVORS * EDGES_EACH };

static struct ledger ledger;
static uint32_t deaths[WORKERS];

static void fill(void) {
    fake_kernel_reset(); // for log lines
    ledger = (struct ledger) {.state = LEDGER_OVER};
    for (size_t i = 0; i < WORKERS; i++) {
        deaths[i] = i < SURVIVORS ? 0 : 5;
    }
    for (size_t i = 0; i < EDGES; i++) {
        struct edge *edge = &ledger.edges[i];
        edge->sent = edge->answered = edge->served = edge->last = CALLS;
    }
}

// One more of something on an edge.
static bool is_right_with(uint32_t edge, size_t counter) {
    fill();
    _Atomic uint64_t *value = (_Atomic uint64_t *) ((uint8_t *) &ledger.edges[edge] + counter);
    *value += 1;
    return books_check(&ledger, deaths);
}

TEST("the first edge leads from a survivor to another, the first one of the victims to another of them") {
    EXPECT(edge_caller(OF_SURVIVORS) < SURVIVORS && edge_server(OF_SURVIVORS) < SURVIVORS);
    EXPECT(edge_caller(OF_VICTIM) >= SURVIVORS && edge_server(OF_VICTIM) >= SURVIVORS);
}

TEST("each worker calls as many others as call it, and none itself") {
    uint32_t callers[WORKERS] = {};
    for (uint32_t i = 0; i < EDGES; i++) {
        EXPECT(edge_server(i) != edge_caller(i));
        callers[edge_server(i)]++;
    }
    for (size_t i = 0; i < WORKERS; i++) {
        EXPECT_EQ(callers[i], EDGES_EACH);
    }
}

TEST("books in which all was answered are right") {
    fill();
    EXPECT(books_are_closed(&ledger));
    EXPECT(books_check(&ledger, deaths));
}

TEST("an answer that is missing, wrong, double or to no call is found") {
    EXPECT(!is_right_with(OF_SURVIVORS, offsetof(struct edge, sent)));
    EXPECT(!books_are_closed(&ledger));
    EXPECT(!is_right_with(OF_SURVIVORS, offsetof(struct edge, answered)));
    EXPECT(!is_right_with(OF_SURVIVORS, offsetof(struct edge, failed)));
    EXPECT(!is_right_with(OF_SURVIVORS, offsetof(struct edge, served)));
    EXPECT(!is_right_with(OF_SURVIVORS, offsetof(struct edge, repeated)));
    EXPECT(!is_right_with(OF_SURVIVORS, offsetof(struct edge, unknown)));
    fill();
    ledger.strays = 1;
    EXPECT(!books_check(&ledger, deaths));
}

TEST("calls fail with a server that ends, and only then") {
    for (uint32_t edge = 0; edge < EDGES; edge += OF_VICTIM) {
        fill();
        ledger.edges[edge].sent += 1;
        ledger.edges[edge].closed += 1;
        EXPECT_EQ(books_check(&ledger, deaths), edge == OF_VICTIM);
        deaths[edge_server(edge)] = 0;
        EXPECT(!books_check(&ledger, deaths));
    }
}

TEST("what a killed caller had under way is settled, unless it was under way for too long") {
    fill();
    struct edge *edge = &ledger.edges[OF_VICTIM];
    edge->sent += MANNERS;
    edge->begun_ns[MANNER_BEGIN] = edge->begun_ns[MANNER_WAIT] = NSEC_PER_SEC;
    EXPECT(!books_are_closed(&ledger));
    books_settle(&ledger, edge_caller(OF_VICTIM), 2 * NSEC_PER_SEC);
    EXPECT(books_are_closed(&ledger));
    EXPECT(books_check(&ledger, deaths));
    edge->sent += 1;
    edge->begun_ns[MANNER_WAIT] = 2 * NSEC_PER_SEC;
    books_settle(&ledger, edge_caller(OF_VICTIM), 60 * NSEC_PER_SEC);
    EXPECT(!books_check(&ledger, deaths));
}

TEST("a survivor's calls are never settled") {
    fill();
    ledger.edges[OF_SURVIVORS].sent += 1;
    books_settle(&ledger, edge_caller(OF_VICTIM), NSEC_PER_SEC);
    EXPECT(!books_check(&ledger, deaths));
}
