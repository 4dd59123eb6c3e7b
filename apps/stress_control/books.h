// What the ledger of the SMP stress must add up to.
#pragma once

#include "../stress/ledger.h"

// A worker was killed, and its next life is there: what it had under way gets no answer any more.
void books_settle(struct ledger *ledger, uint32_t worker, nsec_t now);

bool books_are_closed(const struct ledger *ledger); // nothing is under way

// Logs totals and every edge that is wrong. `deaths` are each worker's. Returns whether all is right.
bool books_check(const struct ledger *ledger, const uint32_t deaths[WORKERS]);
