// The interrupt controllers of device lines, and the vectors that lines and messages arrive at.
#include "x86_64.h"

#include "../../cpu.h"
#include "../../log.h"

#include <starina/process.h>

enum { IOAPIC_MAX = 4 };
enum : uint32_t {
    REGISTER_VERSION = 1,
    REGISTER_REDIRECTION = 0x10,
    REDIRECTION_ACTIVE_LOW = 1 << 13,
    REDIRECTION_LEVEL = 1 << 15,
    REDIRECTION_MASKED = 1 << 16
};

static struct ioapic {
    volatile uint32_t *registers; // select at 0, window at 0x10; nullptr: not mapped yet
    paddr_t base;
    uint32_t first_line, line_count;
} ioapics[IOAPIC_MAX];
static unsigned ioapic_count;

// What was written for each line, which takes less than reading it.
static struct line {
    const struct ioapic *ioapic;
    uint32_t index, low;
} lines[LINES_MAX];

static uint32_t read(const struct ioapic *ioapic, uint32_t index) {
    ioapic->registers[0] = index;
    return ioapic->registers[4];
}

static void write(const struct ioapic *ioapic, uint32_t index, uint32_t value) {
    ioapic->registers[0] = index;
    ioapic->registers[4] = value;
}

void ioapic_add(paddr_t base, uint32_t first_line) {
    if (ioapic_count == IOAPIC_MAX) {
        log_print("more interrupt controllers than %d: the rest is left alone", IOAPIC_MAX);
        return;
    }
    ioapics[ioapic_count++] = (struct ioapic) {.base = base, .first_line = first_line};
}

// Controllers are mapped at their first use: the boot needs at most one of them.
static void map(struct ioapic *ioapic) {
    if (ioapic->registers == nullptr) {
        ioapic->registers = map_registers(ioapic->base, PAGE_SIZE);
        ioapic->line_count = (read(ioapic, REGISTER_VERSION) >> 16 & 0xff) + 1;
    }
}

static struct ioapic *ioapic_of(uint32_t line) {
    for (unsigned i = 0; i < ioapic_count; i++) {
        if (line < ioapics[i].first_line) {
            continue;
        }
        map(&ioapics[i]);
        if (line - ioapics[i].first_line < ioapics[i].line_count) {
            return &ioapics[i];
        }
    }
    return nullptr;
}

status_t arch_line_route(uint32_t line, unsigned vector, uint32_t interrupt_flags) {
    const struct ioapic *ioapic = ioapic_of(line);
    if (ioapic == nullptr) {
        return ERR_INVALID_ARGUMENT;
    }
    uint32_t index = REGISTER_REDIRECTION + 2 * (line - ioapic->first_line);
    uint32_t low = vector | ((interrupt_flags & INTERRUPT_LEVEL) != 0 ? REDIRECTION_LEVEL : 0) |
                   ((interrupt_flags & INTERRUPT_ACTIVE_LOW) != 0 ? REDIRECTION_ACTIVE_LOW : 0);
    write(ioapic, index + 1, cpus[0].arch.apic_id << 24);
    lines[line] = (struct line) {ioapic, index, low};
    arch_line_mask(line, true);
    return OK;
}

void arch_line_mask(uint32_t line, bool masked) {
    const struct line *routed = &lines[line];
    write(routed->ioapic, routed->index, routed->low | (masked ? REDIRECTION_MASKED : 0));
}

// --- Vectors ---

static bool is_vector_taken[256];

status_t arch_vector_allocate(unsigned *out_vector) {
    for (unsigned vector = VECTOR_DEVICE_FIRST; vector < VECTOR_TIMER; vector++) {
        if (!is_vector_taken[vector]) {
            is_vector_taken[vector] = true;
            *out_vector = vector;
            return OK;
        }
    }
    return ERR_NO_MEMORY;
}

void arch_vector_free(unsigned vector) {
    is_vector_taken[vector] = false;
}

void arch_vector_message(unsigned vector, uint32_t *out_address, uint32_t *out_data) {
    *out_address = 0xfee00000 | cpus[0].arch.apic_id << 12;
    *out_data = vector;
}
