// The books of the SMP stress: one folio that its control and all workers map. Entries outlive the worker that made them.
//
// Each counter has one writer at a time: the caller, the server, or the control while the caller is dead.
#pragma once

#include <starina/types.h>

enum { SURVIVORS = 8, VICTIMS = 4, WORKERS = SURVIVORS + VICTIMS };
enum { EDGES_EACH = 4, EDGES = WORKERS * EDGES_EACH };

// A call that the caller waits for and one that it was begun may be under way on an edge at once.
enum manner { MANNER_BEGIN = 0, MANNER_WAIT = 1, MANNERS = 2 };

enum ledger_state : uint32_t { LEDGER_WAITING = 0, LEDGER_RUNNING = 1, LEDGER_OVER = 2 };

// The calls from one worker to another, numbered from 1.
struct edge {
    // The caller's:
    _Atomic uint64_t sent;            // the last one's number
    _Atomic uint64_t answered;        // with the right proof
    _Atomic uint64_t closed;          // failed because the server ended
    _Atomic uint64_t failed;          // in any other way
    _Atomic nsec_t begun_ns[MANNERS]; // of the call under way; 0: none
    uint64_t unused[2];               // the rest is in a cache line of its own
    // The server's:
    _Atomic uint64_t served;
    _Atomic uint64_t last;     // number served
    _Atomic uint64_t repeated; // numbers not above the last: served twice, or out of order
    _Atomic uint64_t unknown;  // numbers that were never sent
    // The control's:
    uint64_t abandoned; // under way when the caller was killed
    uint64_t late;      // of these, begun longer ago than any call takes
};

struct ledger {
    _Atomic enum ledger_state state;
    _Atomic uint64_t strays; // replies to no call
    struct edge edges[EDGES];
};
enum { LEDGER_SIZE = (sizeof(struct ledger) + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1) };

// The graph has cycles, and each worker has as many callers as it calls others.
static inline uint32_t edge_caller(uint32_t edge) {
    return edge / EDGES_EACH;
}
static inline uint32_t edge_server(uint32_t edge) {
    static const uint32_t steps[EDGES_EACH] = {1, 3, 6, 8};
    return (edge_caller(edge) + steps[edge % EDGES_EACH]) % WORKERS;
}

// What the answer to a call must be.
static inline uint64_t proof_of(uint32_t edge, uint64_t number) {
    return (number ^ (uint64_t) edge << 48) * 0x9e3779b97f4a7c15;
}
