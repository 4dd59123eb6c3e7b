// Medians and how they are told.
#include "bench.h"

static void sort(nsec_t *values) {
    for (size_t i = 1; i < BENCH_ROUNDS; i++) {
        for (size_t j = i; j > 0 && values[j] < values[j - 1]; j--) {
            nsec_t swap = values[j];
            values[j] = values[j - 1];
            values[j - 1] = swap;
        }
    }
}

status_t bench_median(bench_round *round, nsec_t *out_ns) {
    nsec_t times[BENCH_ROUNDS];
    for (size_t i = 0; i < BENCH_ROUNDS; i++) {
        TRY(round(&times[i]));
    }
    sort(times);
    *out_ns = times[BENCH_ROUNDS / 2];
    return OK;
}

void bench_log(const char *name, nsec_t ns, uint64_t operations) {
    log_info("result %s %llu", name, (unsigned long long) (ns * 100 / operations));
}
