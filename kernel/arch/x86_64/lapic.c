// The local interrupt controller: interrupts between CPUs, the acknowledge, and the one-shot timer.
#include "x86_64.h"

#include "../../cpu.h"

enum : uint32_t {
    REGISTER_ID = 0x20,
    REGISTER_EOI = LAPIC_EOI,
    REGISTER_SPURIOUS = 0xf0,
    REGISTER_ICR_LOW = 0x300,
    REGISTER_ICR_HIGH = 0x310,
    REGISTER_TIMER = 0x320,
    REGISTER_TIMER_INITIAL = 0x380,
    REGISTER_TIMER_CURRENT = 0x390,
    REGISTER_TIMER_DIVIDE = 0x3e0,
    SPURIOUS_ENABLE = 0x100,
    ICR_BUSY = 0x1000,
    TIMER_DIVIDE_BY_1 = 0xb,
};
enum : paddr_t { LAPIC_AT = 0xfee00000 };

volatile uint8_t *lapic_registers; // entry.S acknowledges through it

static void write(uint32_t offset, uint32_t value) {
    *(volatile uint32_t *) (lapic_registers + offset) = value;
}

static uint32_t read(uint32_t offset) {
    return *(volatile uint32_t *) (lapic_registers + offset);
}

void lapic_init_boot(void) {
    lapic_registers = map_registers(LAPIC_AT, PAGE_SIZE);
}

void lapic_init(void) {
    arch_cpu()->arch.apic_id = lapic_id();
    write(REGISTER_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
    write(REGISTER_TIMER_DIVIDE, TIMER_DIVIDE_BY_1);
    write(REGISTER_TIMER, VECTOR_TIMER);
}

uint32_t lapic_id(void) {
    return read(REGISTER_ID) >> 24;
}

void lapic_send(uint32_t apic_id, uint32_t command) {
    while ((read(REGISTER_ICR_LOW) & ICR_BUSY) != 0) {
        arch_spin_pause();
    }
    write(REGISTER_ICR_HIGH, apic_id << 24);
    write(REGISTER_ICR_LOW, command);
}

void arch_interrupt_end(void) {
    write(REGISTER_EOI, 0);
}

void lapic_timer_start(uint32_t ticks) {
    write(REGISTER_TIMER_INITIAL, ticks);
}

uint32_t lapic_timer_left(void) {
    return read(REGISTER_TIMER_CURRENT);
}

void arch_send_reschedule(struct cpu *cpu) {
    lapic_send(cpu->arch.apic_id, LAPIC_ICR_FIXED | VECTOR_RESCHEDULE);
}
