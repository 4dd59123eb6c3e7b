// The clock: the time-stamp counter, whose frequency is measured against the LAPIC's timer without ever waiting for it.
//
// Hypervisors run that timer at 1 GHz. Between two settings of the boot CPU's timer both counters advance by known
// amounts; these pairs add up until they make the frequency known well enough. Meanwhile the clock rather goes too slow,
// and what it is behind by the timer is made up for when a pair is taken: it never goes back.
#include "x86_64.h"

#include "../../cpu.h"

enum : nsec_t { MEASURE_FOR = NSEC_PER_SEC / 4 };
enum : uint32_t { LONGEST = UINT32_MAX };

static struct {
    uint64_t base_ticks;
    nsec_t base_ns;
    uint64_t rate; // ns per tick, 32.32 fixed point
} scale;

// Both counters at one time, but for the ticks that reading them takes.
struct reading {
    uint32_t left; // of the timer, which counts down
    uint64_t before, after;
};

static struct {
    bool is_done;
    uint64_t ticks_before; // at the last setting
    nsec_t ns_before;
    uint32_t timer_before;
    uint64_t ticks, ns; // measured in all
} measured;

static nsec_t time_at(uint64_t ticks) {
    return scale.base_ns + (nsec_t) ((unsigned __int128) (ticks - scale.base_ticks) * scale.rate >> 32);
}

nsec_t arch_clock_now(void) {
    return time_at(arch_ticks());
}

nsec_t arch_ticks_to_ns(uint64_t ticks) {
    return (nsec_t) ((unsigned __int128) ticks * scale.rate >> 32);
}

// The hypervisor's or the CPU's own word, in kHz; 0: they don't say.
static uint64_t told_khz(void) {
    enum : uint32_t { HYPERVISOR_LEAVES = 0x40000000, HYPERVISOR_TSC = 0x40000010, CRYSTAL = 0x15 };
    bool has_hypervisor = (cpuid(1, 0).ecx & 1u << 31) != 0;
    if (has_hypervisor && cpuid(HYPERVISOR_LEAVES, 0).eax >= HYPERVISOR_TSC) {
        return cpuid(HYPERVISOR_TSC, 0).eax;
    }
    if (cpuid(0, 0).eax >= CRYSTAL) {
        struct cpuid crystal = cpuid(CRYSTAL, 0);
        return crystal.eax == 0 ? 0 : (uint64_t) crystal.ecx * crystal.ebx / crystal.eax / 1000;
    }
    return 0;
}

// The host may stop this CPU between two instructions: of several readings the quickest is the best.
static struct reading read_counters(void) {
    struct reading best = {.after = UINT64_MAX};
    for (int i = 0; i < 4; i++) {
        struct reading reading = {.before = arch_ticks()};
        reading.left = lapic_timer_left();
        reading.after = arch_ticks();
        if (reading.after - reading.before < best.after - best.before) {
            best = reading;
        }
    }
    return best;
}

// From a reading on; if the timer has run out already, the interval will count for nothing.
static void begin_interval(struct reading reading) {
    measured.timer_before = reading.left;
    measured.ticks_before = reading.before;
    measured.ns_before = time_at(reading.before);
}

static void set_rate(uint64_t rate, uint64_t ticks, nsec_t at_least) {
    nsec_t now = time_at(ticks);
    scale.base_ns = now > at_least ? now : at_least;
    scale.base_ticks = ticks;
    scale.rate = rate;
}

// The timer has not run out since begin_interval, or its `left` is 0 and tells nothing.
static void end_interval(void) {
    struct reading reading = read_counters();
    if (reading.left == 0 || measured.timer_before <= reading.left) {
        return;
    }
    nsec_t ns = measured.timer_before - reading.left;
    measured.ns += ns;
    measured.ticks += reading.after - measured.ticks_before;
    set_rate((measured.ns << 30) / measured.ticks << 2, reading.after, measured.ns_before + ns); // ns may be 2^32
    measured.is_done = measured.ns >= MEASURE_FOR;
}

// The first estimate, of a few microseconds: the ticks that the readings themselves took count as passed.
static void estimate(void) {
    lapic_timer_start(LONGEST);
    struct reading first = read_counters(), last = read_counters();
    uint64_t ns = first.left > last.left ? first.left - last.left : 1;
    scale.rate = (ns << 32) / (last.after - first.before);
    begin_interval(first);
}

void clock_init(void) {
    uint64_t khz = told_khz();
    scale.base_ticks = boot_info.entry_ticks;
    if (khz != 0) {
        scale.rate = (1000000ull << 32) / khz;
        measured.is_done = true;
    } else {
        estimate();
    }
}

bool arch_clock_is_exact(void) {
    return measured.is_done;
}

void arch_timer_set(nsec_t deadline) {
    bool is_measuring = !measured.is_done && arch_cpu()->arch.index == 0;
    if (is_measuring) {
        end_interval();
    }
    nsec_t now = arch_clock_now();
    nsec_t delta = deadline > now ? deadline - now : 1;
    uint32_t ticks = delta < LONGEST ? (uint32_t) delta : LONGEST; // an early end is only set again
    if (deadline == DEADLINE_NEVER && !is_measuring) {
        ticks = 0;
    }
    lapic_timer_start(ticks);
    if (is_measuring) {
        begin_interval(read_counters());
    }
}
