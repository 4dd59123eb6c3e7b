// What the parts of this architecture tell each other.
#pragma once

#include "offsets.h"
#include "registers.h"

// Bits of a page table's entry (Intel SDM vol. 3A §4.5).
enum : uint64_t {
    PRESENT = 1,
    WRITABLE = 2,
    USER = 4,
    UNCACHED = 0x18,
    LARGE = 0x80,
    TABLE_PROMISED = 0x200, // ours, in a directory that has no table there: the memory for one is reserved
    NO_EXECUTE = 1ull << 63,
    ADDRESS_MASK = 0x000ffffffffff000,
};

// start.c
bool direct_map_covers(paddr_t base, uint64_t size); // can it be read through physical_to_kernel?

// cpu.c
struct cpu_features {
    bool has_smep, has_umip, has_xsave, has_xsaveopt, has_rdrand, has_rdseed;
};
extern struct cpu_features cpu_features;
extern bool cpu_has_smap; // entry.S tests it
void cpu_detect(void);
void cpu_init(uint32_t index); // this CPU's tables, protection bits and GS

// paging.c
void kernel_tables_init(const uint64_t *direct_pdpt); // W^X for the image; activates them
paddr_t image_to_physical(const void *pointer);
void *map_registers(paddr_t base, size_t size); // a device that the kernel itself uses; never unmapped

// acpi.c
void acpi_init(paddr_t rsdp); // fills in machine_info and tells ioapic.c; 0: there are no tables

// lapic.c
enum : uint32_t {
    LAPIC_ICR_FIXED = 0x4000,
    LAPIC_ICR_NMI_OTHERS = 0xc4400,
    LAPIC_ICR_INIT_OTHERS = 0xc4500,
    LAPIC_ICR_START_OTHERS = 0xc4600
};
void lapic_init_boot(void);
void lapic_init(void); // this CPU's
void lapic_send(uint32_t apic_id, uint32_t command);
uint32_t lapic_id(void);
void lapic_timer_start(uint32_t ticks); // 1 ns each; 0 stops it
uint32_t lapic_timer_left(void);

// ioapic.c
void ioapic_add(paddr_t base, uint32_t first_line);

// clock.c
void clock_init(void);

// fpu.c
void fpu_init(void); // this CPU's

// serial.c
void serial_init(void);

// entry.S
extern const uint8_t kernel_stubs[], entry_kernel_channel_call[], entry_kernel_channel_reply_wait[], entry_kernel_poll_wait[];
extern const uint8_t entry_syscall[], entry_vectors[], entry_nmi[], entry_tlb_flush[];
[[noreturn]] void leave_to_thread(struct arch_thread *thread);
[[noreturn]] void leave_to_user_call(struct arch_thread *thread);
[[noreturn]] void leave_to_idle(void);
bool copy_checked(void *to, const void *from, size_t size);
extern bool arch_is_halting;
extern uint8_t arch_kernel_stacks[CPU_MAX][KERNEL_STACK_SIZE];
