// What programs that measure themselves share: medians, and the lines that tools/bench/guest_counts.py reads.
//
// Under `--icount` a nanosecond is an instruction.
#pragma once

#include <starina/component.h>

enum { BENCH_ROUNDS = 9 };

// Runs something several times. A round tells what it took; it prepares and cleans up outside of that time.
typedef status_t bench_round(nsec_t *out_ns);

// The median of BENCH_ROUNDS times, which it sorts.
nsec_t bench_middle(nsec_t *times);

// The median of several rounds.
status_t bench_median(bench_round *round, nsec_t *out_ns);

// "result NAME N": hundredths of an instruction per operation.
void bench_log(const char *name, nsec_t ns, uint64_t operations);
