// Medians and how they are told.
#include "bench.h"

nsec_t bench_middle(nsec_t *times) {
    for (size_t i = 1; i < BENCH_ROUNDS; i++) {
        for (size_t j = i; j > 0 && times[j] < times[j - 1]; j--) {
            nsec_t swap = times[j];
            times[j] = times[j - 1];
            times[j - 1] = swap;
        }
    }
    return times[BENCH_ROUNDS / 2];
}

status_t bench_median(bench_round *round, nsec_t *out_ns) {
    nsec_t times[BENCH_ROUNDS];
    for (size_t i = 0; i < BENCH_ROUNDS; i++) {
        TRY(round(&times[i]));
    }
    *out_ns = bench_middle(times);
    return OK;
}

void bench_log(const char *name, nsec_t ns, uint64_t operations) {
    log_info("result %s %llu", name, (unsigned long long) (ns * 100 / operations));
}
