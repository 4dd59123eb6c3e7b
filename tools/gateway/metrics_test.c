// test-with: tools/gateway/metrics.c
#include "metrics.h"

#include <test/test.h>

#include <string.h>

static char text[METRICS_TEXT_MAX];

static bool says(const char *line) {
    metrics_write(&metrics, text, sizeof(text));
    return strstr(text, line) != nullptr;
}

TEST("a boot is counted in its bucket and all larger ones") {
    metrics_add_boot(60'000'000);
    metrics_add_boot(5'000'000);
    EXPECT(says("\nstarina_boot_seconds_bucket{le=\"0.005\"} 1\n"));
    EXPECT(says("\nstarina_boot_seconds_bucket{le=\"0.05\"} 1\n"));
    EXPECT(says("\nstarina_boot_seconds_bucket{le=\"0.075\"} 2\n"));
    EXPECT(says("\nstarina_boot_seconds_bucket{le=\"+Inf\"} 2\n"));
    EXPECT(says("\nstarina_boot_seconds_sum 0.065000000\n"));
    EXPECT(says("\nstarina_boot_seconds_count 2\n"));
}

TEST("a boot longer than the last bucket is counted in the endless one") {
    metrics_add_boot(60'000'000'000);
    EXPECT(says("\nstarina_boot_seconds_bucket{le=\"5\"} 0\n"));
    EXPECT(says("\nstarina_boot_seconds_bucket{le=\"+Inf\"} 1\n"));
}

TEST("reasons are labels") {
    metrics.refused[REFUSED_PER_CLIENT] = 3;
    metrics.failed[FAILED_BOOT_TIMEOUT] = 4;
    EXPECT(says("\nstarina_refused_total{reason=\"per_client\"} 3\n"));
    EXPECT(says("\nstarina_failed_total{reason=\"boot_timeout\"} 4\n"));
    EXPECT(says("\nstarina_failed_total{reason=\"drain_timeout\"} 0\n"));
}

TEST("the largest numbers fit") {
    memset(&metrics, 0xff, sizeof(metrics));
    size_t length = metrics_write(&metrics, text, sizeof(text));
    EXPECT(length < sizeof(text) - 100);
    EXPECT(says("\nstarina_bytes_total{direction=\"out\"} 18446744073709551615\n"));
}

TEST("what does not fit is left out, and the text ends") {
    for (size_t size = 1; size < 300; size++) {
        EXPECT(metrics_write(&metrics, text, size) < size);
    }
}
