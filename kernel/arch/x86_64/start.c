// From the boot protocol (PVH) to the portable kernel: memory map, command line, the kernel's page tables.
#include "x86_64.h"

#include "../../memory.h"

struct boot_info boot_info;
struct machine_info machine_info;

alignas(PAGE_SIZE) uint8_t arch_kernel_stacks[CPU_MAX][KERNEL_STACK_SIZE];

// Layouts from Xen's public/arch-x86/hvm/start_info.h.
struct hvm_start_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, command_line, rsdp;
    uint64_t memory_map;
    uint32_t memory_map_entries, reserved;
};

struct hvm_memory_map_entry {
    uint64_t base, size;
    uint32_t type, reserved;
};

enum : uint32_t { START_INFO_MAGIC = 0x336ec578, MEMORY_RAM = 1 };
enum : uint64_t { LOW_MEMORY_END = 1 << 20, BOOT_MAPPED_END = 1 << 30, DIRECT_MAP_MAX = 512ull << 30, LARGE_PAGE = 2 << 20 };

static char command_line[2048];
extern const uint8_t image_start[], image_end[], text_start[], rodata_end[]; // linker script
static paddr_t tables_end;                                                   // the image, and the page tables made behind it

static paddr_t round_up(paddr_t address, uint64_t unit) {
    return (address + unit - 1) & ~(unit - 1);
}

// --- The direct map ---

static uint64_t mapped_bytes[512]; // of each GiB: mapped from its start

extern uint64_t boot_pd[];

static uint64_t *new_table(void) {
    uint64_t *table = physical_to_kernel(tables_end);
    memset(table, 0, PAGE_SIZE);
    tables_end += PAGE_SIZE;
    return table;
}

bool direct_map_covers(paddr_t base, uint64_t size) {
    if (base >= DIRECT_MAP_MAX || size > DIRECT_MAP_MAX - base) {
        return false;
    }
    return base % BOOT_MAPPED_END + size <= mapped_bytes[base / BOOT_MAPPED_END];
}

// All RAM is in the direct map, whose part of each GiB begins with that.
bool arch_is_ram(paddr_t base, uint64_t size) {
    for (paddr_t at = base; at < base + size && at < DIRECT_MAP_MAX; at = round_up(at + 1, BOOT_MAPPED_END)) {
        if (at % BOOT_MAPPED_END < mapped_bytes[at / BOOT_MAPPED_END]) {
            return true;
        }
    }
    return false;
}

// The image's code and constants, and the archive, whose pages are components' code: read only here too.
static bool is_constant(paddr_t page) {
    bool is_in_kernel = page >= image_to_physical(text_start) && page < image_to_physical(rodata_end);
    return is_in_kernel || (page >= image_to_physical(archive_start) && page < image_to_physical(archive_end));
}

static void protect_constants(uint64_t *pd) {
    for (paddr_t at = 0; at < image_to_physical(image_end); at += LARGE_PAGE) {
        uint64_t *table = new_table();
        for (unsigned i = 0; i < LARGE_PAGE / PAGE_SIZE; i++) {
            paddr_t page = at + i * PAGE_SIZE;
            table[i] = page | (is_constant(page) ? PRESENT : PRESENT | WRITABLE) | NO_EXECUTE;
        }
        pd[at / LARGE_PAGE] = kernel_to_physical(table) | PRESENT | WRITABLE;
    }
}

static void map_gib(uint64_t *pdpt, unsigned gib, uint64_t bytes) {
    uint64_t *pd = new_table();
    for (unsigned i = 0; i * LARGE_PAGE < bytes; i++) {
        pd[i] = (gib * BOOT_MAPPED_END + i * LARGE_PAGE) | PRESENT | WRITABLE | LARGE | NO_EXECUTE;
    }
    if (gib == 0) {
        protect_constants(pd);
    }
    pdpt[gib] = kernel_to_physical(pd) | PRESENT | WRITABLE;
    mapped_bytes[gib] = round_up(bytes, LARGE_PAGE);
}

// Maps all RAM with large pages.
static void make_direct_map(uint64_t *pdpt, const struct hvm_memory_map_entry *entries, uint32_t count) {
    static uint64_t needed[512];
    for (uint32_t i = 0; i < count; i++) {
        uint64_t end = entries[i].base + entries[i].size;
        if (entries[i].type != MEMORY_RAM || end < entries[i].base || end > DIRECT_MAP_MAX) {
            continue;
        }
        for (uint64_t at = entries[i].base; at < end; at = round_up(at + 1, BOOT_MAPPED_END)) {
            uint64_t in_gib = end - at / BOOT_MAPPED_END * BOOT_MAPPED_END;
            in_gib = in_gib < BOOT_MAPPED_END ? in_gib : BOOT_MAPPED_END;
            needed[at / BOOT_MAPPED_END] = in_gib > needed[at / BOOT_MAPPED_END] ? in_gib : needed[at / BOOT_MAPPED_END];
        }
    }
    for (unsigned gib = 0; gib < 512; gib++) {
        if (needed[gib] > 0) {
            map_gib(pdpt, gib, needed[gib]);
        }
    }
}

// --- Memory map ---

static void add_ram(paddr_t base, paddr_t end) {
    base = round_up(base, PAGE_SIZE);
    end &= ~(PAGE_SIZE - 1);
    if (base < end && boot_info.ram_count < MEMORY_RANGES_MAX) {
        boot_info.ram[boot_info.ram_count++] = (struct memory_range) {.base = base, .size = end - base};
    }
}

// All but the first MiB and what the image and its tables fill.
static void add_usable(paddr_t base, paddr_t end) {
    paddr_t image = image_to_physical(image_start);
    base = base < LOW_MEMORY_END ? LOW_MEMORY_END : base;
    end = end > DIRECT_MAP_MAX ? DIRECT_MAP_MAX : end;
    if (base < tables_end && end > image) {
        add_ram(base, image);
        base = tables_end;
    }
    add_ram(base, end);
}

static void read_memory_map(const struct hvm_memory_map_entry *entries, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (entries[i].type == MEMORY_RAM && entries[i].base + entries[i].size > entries[i].base) {
            add_usable(entries[i].base, entries[i].base + entries[i].size);
        }
    }
    if (boot_info.ram_count == 0) {
        panic("the boot protocol told of no memory");
    }
}

[[noreturn]] void arch_start(const struct hvm_start_info *physical, uint64_t entry_ticks) {
    boot_info.entry_ticks = entry_ticks;
    boot_info.command_line = command_line;
    serial_init();
    const struct hvm_start_info *info = physical_to_kernel((paddr_t) physical);
    if (info->magic != START_INFO_MAGIC || info->version == 0) {
        panic("not started by a boot loader that speaks PVH with a memory map");
    }
    if (info->command_line != 0) {
        const char *given = physical_to_kernel(info->command_line);
        memcpy(command_line, given, strnlen(given, sizeof(command_line) - 1));
    }
    tables_end = round_up(image_to_physical(image_end), PAGE_SIZE);
    const struct hvm_memory_map_entry *entries = physical_to_kernel(info->memory_map);
    paddr_t rsdp = info->rsdp;
    cpu_detect();
    static uint64_t direct_pdpt[512] __attribute__((aligned(PAGE_SIZE)));
    make_direct_map(direct_pdpt, entries, info->memory_map_entries);
    read_memory_map(entries, info->memory_map_entries);
    kernel_tables_init(direct_pdpt);
    acpi_init(rsdp);
    kernel_main();
}
