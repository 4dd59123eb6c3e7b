// The other CPUs. All are started at once; each takes a number in the order of arrival.
#include "x86_64.h"

#include "../../cpu.h"
#include "../../memory.h"

extern const uint8_t trampoline_start[], trampoline_end[]; // boot.S

_Atomic uint32_t smp_next_index = 1;
uint32_t smp_index_limit;

void arch_start_cpus(void) {
    smp_index_limit = machine_info.cpu_count;
    if (smp_index_limit == 1) {
        return;
    }
    memcpy(physical_to_kernel(TRAMPOLINE_AT), trampoline_start, (size_t) (trampoline_end - trampoline_start));
    lapic_send(0, LAPIC_ICR_INIT_OTHERS);
    lapic_send(0, LAPIC_ICR_START_OTHERS | TRAMPOLINE_AT / PAGE_SIZE);
}

[[noreturn]] void arch_start_cpu(uint32_t index) {
    write_cr3(arch_kernel_space.root);
    cpu_init(index);
    lapic_init();
    kernel_cpu_main();
}
