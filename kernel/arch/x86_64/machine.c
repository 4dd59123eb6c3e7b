// The machine as a whole: the rest of its start, its end, and its randomness.
#include "x86_64.h"

#include "../../cpu.h"

bool arch_is_halting;

void arch_init(void) {
    enum : uint16_t { PIC1_MASK = 0x21, PIC2_MASK = 0xa1 };
    cpu_init(0);
    write_port8(PIC1_MASK, 0xff); // the IOAPIC does its work
    write_port8(PIC2_MASK, 0xff);
    lapic_init_boot();
    lapic_init();
    clock_init();
}

void arch_halt_others(void) {
    arch_is_halting = true;
    if (cpu_count > 1) {
        lapic_send(0, LAPIC_ICR_NMI_OTHERS);
    }
}

[[noreturn]] void arch_halt(void) {
    for (;;) {
        __asm__ volatile("cli\n\thlt");
    }
}

[[noreturn]] void arch_shutdown(uint32_t code) {
    enum : uint16_t { DEBUG_EXIT = 0xf4, RESET_CONTROL = 0xcf9 };
    enum : uint8_t { RESET_HARD = 6 };
    write_port32(DEBUG_EXIT, code);
    write_port8(RESET_CONTROL, RESET_HARD);
    // Neither is there: an exception without a vector table resets every x86 machine.
    struct [[gnu::packed]] {
        uint16_t limit;
        uint64_t base;
    } none = {};
    __asm__ volatile("lidt %0\n\tint3" ::"m"(none));
    arch_halt();
}

static bool hardware_random(uint64_t *out_random) {
    bool has_it = false;
    for (int attempt = 0; attempt < 16 && !has_it; attempt++) {
        if (cpu_features.has_rdseed) {
            __asm__ volatile("rdseed %0" : "=r"(*out_random), "=@ccc"(has_it));
        } else if (cpu_features.has_rdrand) {
            __asm__ volatile("rdrand %0" : "=r"(*out_random), "=@ccc"(has_it));
        } else {
            break;
        }
    }
    return has_it;
}

// Without a hardware generator only the counter's jitter against the emulated devices is left.
uint64_t arch_random_seed(void) {
    static uint64_t state;
    uint64_t random = 0;
    if (!hardware_random(&random)) {
        for (int i = 0; i < 16; i++) {
            random = (random << 7 | random >> 57) ^ arch_ticks() ^ lapic_timer_left();
        }
    }
    state = (state + random) * 0x9e3779b97f4a7c15 + arch_ticks();
    return state ^ random;
}
