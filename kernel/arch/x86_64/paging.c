// Page tables: four levels, pages of 4 KiB and 2 MiB for components, and the flushing of what CPUs have cached.
#include "x86_64.h"

#include "../../cpu.h"
#include "../../memory.h"
#include "../../page.h"

enum : uint64_t { TABLE_SPAN = ARCH_LARGE_PAGE_SIZE }; // of the addresses of a lowest table
enum : unsigned { LEVELS = 4, DIRECTORY = 2, INDEX_BITS = 9, ENTRY_COUNT = 512, USER_ENTRY_COUNT = 256 };
enum : uint64_t { ROOT_ENTRY_SIZE = 1ull << 39 };
enum : unsigned {
    ROOT_DIRECT = 256,
    ROOT_SLOTS = 320,
    ROOT_SLOTS_COUNT = ARCH_SLOT_COUNT * ARCH_SLOT_SIZE / ROOT_ENTRY_SIZE,
    ROOT_IMAGE = 511
};

struct arch_vmspace arch_kernel_space;

static alignas(PAGE_SIZE) uint64_t kernel_root[ENTRY_COUNT], slots_tables[ROOT_SLOTS_COUNT][ENTRY_COUNT],
    image_pdpt[ENTRY_COUNT], image_pd[ENTRY_COUNT], image_table[2 * ENTRY_COUNT], device_pd[ENTRY_COUNT],
    device_table[ENTRY_COUNT];

// --- The kernel's own ---

extern const uint8_t text_start[], text_end[], rodata_start[], rodata_end[], data_start[], data_end[]; // linker script
extern uint64_t boot_pml4[];

paddr_t image_to_physical(const void *pointer) {
    return (vaddr_t) pointer - ARCH_IMAGE_BASE;
}

paddr_t arch_image_to_physical(const void *pointer) {
    return image_to_physical(pointer);
}

static void map_image_part(const uint8_t *start, const uint8_t *end, uint64_t flags) {
    for (paddr_t page = image_to_physical(start); page < image_to_physical(end); page += PAGE_SIZE) {
        if (page >= sizeof(image_table) / sizeof(uint64_t) * PAGE_SIZE) {
            panic("the kernel's image without its archive is larger than its page tables");
        }
        image_table[page / PAGE_SIZE] = page | flags;
    }
}

void kernel_tables_init(const uint64_t *direct_pdpt) {
    map_image_part(text_start, text_end, PRESENT);
    map_image_part(rodata_start, rodata_end, PRESENT | NO_EXECUTE);
    map_image_part(data_start, data_end, PRESENT | WRITABLE | NO_EXECUTE);
    for (unsigned i = 0; i < CPU_MAX; i++) {
        image_table[image_to_physical(arch_kernel_stacks[i]) / PAGE_SIZE] = 0; // an overrun faults, and hits nothing
    }
    image_pd[0] = image_to_physical(image_table) | PRESENT | WRITABLE;
    image_pd[1] = image_to_physical(image_table + ENTRY_COUNT) | PRESENT | WRITABLE;
    device_pd[0] = image_to_physical(device_table) | PRESENT | WRITABLE;
    image_pdpt[510] = image_to_physical(image_pd) | PRESENT | WRITABLE;
    image_pdpt[511] = image_to_physical(device_pd) | PRESENT | WRITABLE;
    kernel_root[ROOT_DIRECT] = image_to_physical(direct_pdpt) | PRESENT | WRITABLE;
    for (unsigned i = 0; i < ROOT_SLOTS_COUNT; i++) {
        kernel_root[ROOT_SLOTS + i] = image_to_physical(slots_tables[i]) | PRESENT | WRITABLE;
    }
    kernel_root[ROOT_IMAGE] = image_to_physical(image_pdpt) | PRESENT | WRITABLE;
    arch_kernel_space.root = image_to_physical(kernel_root);
    write_cr3(arch_kernel_space.root);
}

void *map_registers(paddr_t base, size_t size) {
    enum : vaddr_t { DEVICES_AT = 0xffffffffc0000000 };
    static unsigned used;
    vaddr_t address = DEVICES_AT + used * PAGE_SIZE + base % PAGE_SIZE;
    for (paddr_t page = base & ADDRESS_MASK; page < base + size; page += PAGE_SIZE) {
        if (used == ENTRY_COUNT) {
            panic("too many devices of the kernel's own");
        }
        device_table[used++] = page | PRESENT | WRITABLE | UNCACHED | NO_EXECUTE;
    }
    return (void *) address;
}

// --- Spaces of components ---

status_t arch_vmspace_init(struct arch_vmspace *space, struct account *account) {
    TRY(page_allocate(account, 0, &space->root));
    uint64_t *root = physical_to_kernel(space->root);
    root[ROOT_DIRECT] = kernel_root[ROOT_DIRECT];
    for (unsigned i = ROOT_SLOTS; i < ROOT_SLOTS + ROOT_SLOTS_COUNT; i++) {
        root[i] = kernel_root[i];
    }
    root[ROOT_IMAGE] = kernel_root[ROOT_IMAGE];
    return OK;
}

static uint64_t *table_of(uint64_t entry) {
    return physical_to_kernel(entry & ADDRESS_MASK);
}

static bool has_table(uint64_t entry) {
    return (entry & (PRESENT | LARGE)) == PRESENT;
}

// Frees the tables below `count` entries of a table of a level, and the promises of such; 1 is the lowest, whose entries
// are pages.
static void free_tables(uint64_t *table, unsigned count, unsigned level, struct account *account) {
    for (unsigned i = 0; i < count && level > 1; i++) {
        if (has_table(table[i])) {
            free_tables(table_of(table[i]), ENTRY_COUNT, level - 1, account);
            page_free(account, 0, table[i] & ADDRESS_MASK);
        } else if (table[i] != 0) {
            page_unreserve(account, PAGE_SIZE);
        }
        table[i] = 0;
    }
}

void arch_vmspace_destroy(struct arch_vmspace *space, struct account *account) {
    free_tables(physical_to_kernel(space->root), USER_ENTRY_COUNT, LEVELS, account);
    page_free(account, 0, space->root);
}

[[gnu::always_inline]] void arch_vmspace_activate(struct arch_vmspace *space) {
    arch_this_cpu->arch.active_root = space->root;
    write_cr3(space->root);
}

static unsigned index_at(vaddr_t address, unsigned level) {
    return address >> (12 + INDEX_BITS * (level - 1)) & (ENTRY_COUNT - 1);
}

// The entry of an address in a table of a level, or that of the large page around it. nullptr: a table is missing
[[gnu::always_inline]] static inline uint64_t *find_entry(const struct arch_vmspace *space, vaddr_t address, unsigned lowest) {
    uint64_t *table = physical_to_kernel(space->root);
    for (unsigned level = LEVELS; level > lowest; level--) {
        uint64_t *entry = &table[index_at(address, level)];
        if ((*entry & PRESENT) == 0) {
            return nullptr;
        }
        if (level == DIRECTORY && (*entry & LARGE) != 0) {
            return entry;
        }
        table = table_of(*entry);
    }
    return &table[index_at(address, lowest)];
}

// One that was promised can be had.
static bool make_table(uint64_t *entry, vaddr_t address, struct account *account) {
    paddr_t page;
    if (*entry != 0) {
        page_unreserve(account, PAGE_SIZE);
    }
    if (page_allocate(account, 0, &page) != OK) {
        return false;
    }
    *entry = page | PRESENT | WRITABLE | (address < ARCH_USER_END ? USER : 0);
    return true;
}

// The same as find_entry, and makes missing tables. nullptr: no memory
[[gnu::noinline]] static uint64_t *make_entry(const struct arch_vmspace *space, vaddr_t address, unsigned lowest,
                                              struct account *account) {
    uint64_t *table = physical_to_kernel(space->root);
    for (unsigned level = LEVELS; level > lowest; level--) {
        uint64_t *entry = &table[index_at(address, level)];
        if ((*entry & PRESENT) == 0 && !make_table(entry, address, account)) {
            return nullptr;
        }
        table = table_of(*entry);
    }
    return &table[index_at(address, lowest)];
}

[[gnu::noinline]] uint64_t *arch_page_entry(struct arch_vmspace *space, vaddr_t address, struct account *account) {
    uint64_t *entry = find_entry(space, address, 1);
    return entry != nullptr ? entry : make_entry(space, address, 1, account);
}

// Where the next table's, or table of tables', part of the address space begins.
static vaddr_t past(vaddr_t address, uint64_t span) {
    return (address & ~(span - 1)) + span;
}

static void invalidate(vaddr_t address) {
    __asm__ volatile("invlpg (%0)" ::"r"(address) : "memory");
}

static uint64_t entry_flags(uint32_t flags) {
    return PRESENT | ((flags & ARCH_MAP_WRITE) != 0 ? WRITABLE : 0) | ((flags & ARCH_MAP_USER) != 0 ? USER : 0) |
           ((flags & ARCH_MAP_DEVICE) != 0 ? UNCACHED : 0) | ((flags & ARCH_MAP_EXECUTE) != 0 ? 0 : NO_EXECUTE);
}

status_t arch_map(struct arch_vmspace *space, vaddr_t address, paddr_t physical, size_t count, uint32_t flags,
                  struct account *account) {
    uint64_t *entry = nullptr;
    for (size_t i = 0; i < count; i++) {
        vaddr_t at = address + i * PAGE_SIZE;
        entry = entry == nullptr || index_at(at, 1) == 0 ? arch_page_entry(space, at, account) : entry + 1;
        if (entry == nullptr || *entry != 0) {
            arch_unmap(space, address, i);
            return entry == nullptr ? ERR_NO_MEMORY : ERR_EXISTS;
        }
        *entry = (physical + i * PAGE_SIZE) | entry_flags(flags);
    }
    return OK;
}

bool arch_can_map_large(const struct arch_vmspace *space, vaddr_t address) {
    const uint64_t *entry = find_entry(space, address, DIRECTORY);
    return entry != nullptr && *entry == TABLE_PROMISED;
}

void arch_map_large(struct arch_vmspace *space, vaddr_t address, paddr_t physical, uint32_t flags) {
    *find_entry(space, address, DIRECTORY) = physical | entry_flags(flags) | LARGE | TABLE_PROMISED;
}

void arch_map_page(uint64_t *entry, vaddr_t address, paddr_t physical, uint32_t flags) {
    bool was_present = *entry != 0;
    if ((*entry & TABLE_PROMISED) != 0) {
        return; // a directory's: of a large page, which has all rights of the mapping, or of one that was just taken out
    }
    *entry = physical | entry_flags(flags);
    if (was_present) {
        invalidate(address);
    }
}

// --- Flushing ---

static void flush(void) {
    write_cr3(read_cr3());
}

void arch_spin_poll(void) {
    struct arch_cpu *cpu = &arch_cpu()->arch;
    uint32_t requested = cpu->tlb_requested;
    if (cpu->tlb_answered != requested) {
        flush();
        cpu->tlb_answered = requested;
    }
}

// Every CPU that may have cached entries of the space: those that have it loaded, or all for the kernel's.
static bool may_have_cached(const struct cpu *cpu, const struct arch_vmspace *space) {
    return cpu->is_online && cpu != arch_cpu() && (space == &arch_kernel_space || cpu->arch.active_root == space->root);
}

// A CPU that idles uses no memory of components and is not woken: it flushes before it runs one (arch_spin_poll). But it
// may walk page tables ahead of need: if those are to be freed, it is not left out.
static void flush_others(const struct arch_vmspace *space, bool are_tables_freed) {
    bool is_awaited[CPU_MAX] = {};
    for (uint32_t i = 0; i < machine_info.cpu_count; i++) {
        if (may_have_cached(&cpus[i], space)) {
            cpus[i].arch.tlb_requested++;
            is_awaited[i] = are_tables_freed || !cpus[i].is_idle;
        }
        if (is_awaited[i]) {
            lapic_send(cpus[i].arch.apic_id, LAPIC_ICR_FIXED | VECTOR_TLB_FLUSH);
        }
    }
    for (uint32_t i = 0; i < machine_info.cpu_count; i++) {
        while (is_awaited[i] && cpus[i].arch.tlb_answered != cpus[i].arch.tlb_requested) {
            arch_spin_pause();
        }
    }
}

// The directory's entry of the first address from one on that is not empty: of a table, a promise or a large page. nullptr: none
// before the end
static uint64_t *next_entry(const struct arch_vmspace *space, vaddr_t *address, vaddr_t end) {
    while (*address < end) {
        uint64_t *table = physical_to_kernel(space->root);
        unsigned level = LEVELS;
        while (level > DIRECTORY && table[index_at(*address, level)] != 0) {
            table = table_of(table[index_at(*address, level)]);
            level--;
        }
        uint64_t *entry = &table[index_at(*address, level)];
        if (level == DIRECTORY && *entry != 0) {
            return entry;
        }
        *address = past(*address, PAGE_SIZE << (INDEX_BITS * (level - 1)));
    }
    return nullptr;
}

// Is a change of the space's tables to be told to this CPU?
static bool is_loaded_here(const struct arch_vmspace *space) {
    return space == &arch_kernel_space || arch_cpu()->arch.active_root == space->root;
}

static bool clear_pages(const struct arch_vmspace *space, uint64_t *entry, vaddr_t address, vaddr_t end) {
    bool is_loaded = is_loaded_here(space), was_mapped = false;
    for (vaddr_t at = address; at < end; at += PAGE_SIZE, entry++) {
        if (*entry != 0) {
            *entry = 0;
            was_mapped = true;
            if (is_loaded) {
                invalidate(at);
            }
        }
    }
    return was_mapped;
}

// All of it, also where a part is meant: who touches the rest finds it again.
static bool clear_large(const struct arch_vmspace *space, uint64_t *entry, vaddr_t address) {
    *entry = TABLE_PROMISED;
    if (is_loaded_here(space)) {
        invalidate(address);
    }
    return true;
}

// Of this CPU's caches; was anything mapped, which others may have cached?
static bool clear(const struct arch_vmspace *space, vaddr_t address, vaddr_t end) {
    bool was_mapped = false;
    uint64_t *entry;
    for (vaddr_t at = address, next; (entry = next_entry(space, &at, end)) != nullptr; at = next) {
        next = past(at, TABLE_SPAN) < end ? past(at, TABLE_SPAN) : end;
        if (has_table(*entry)) {
            was_mapped |= clear_pages(space, &table_of(*entry)[index_at(at, 1)], at, next);
        } else if ((*entry & LARGE) != 0) {
            was_mapped |= clear_large(space, entry, at);
        }
    }
    return was_mapped;
}

void arch_unmap(struct arch_vmspace *space, vaddr_t address, size_t count) {
    if (clear(space, address, address + count * PAGE_SIZE)) {
        flush_others(space, false);
    }
}

// Takes the tables out of the directories that map nothing but the range. The first word of each, which is empty, leads to
// the next: no CPU that still walks one takes an address of a page for an entry that is present.
static paddr_t detach_tables(const struct arch_vmspace *space, vaddr_t address, vaddr_t end, struct account *account) {
    paddr_t detached = 0;
    uint64_t *entry;
    end &= ~(TABLE_SPAN - 1);
    for (vaddr_t at = past(address - 1, TABLE_SPAN); (entry = next_entry(space, &at, end)) != nullptr; at += TABLE_SPAN) {
        if (has_table(*entry)) {
            table_of(*entry)[0] = detached;
            detached = *entry & ADDRESS_MASK;
            *entry = 0;
            invalidate(at); // and what this CPU has cached of tables
        } else {
            *entry = 0;
            page_unreserve(account, PAGE_SIZE);
        }
    }
    return detached;
}

// Nothing is mapped in the range any more, though it may be cached. Tables and promises for nothing else go.
[[gnu::noinline]] static void give_back_tables(const struct arch_vmspace *space, vaddr_t address, vaddr_t end,
                                               bool may_be_cached, struct account *account) {
    paddr_t detached = detach_tables(space, address, end, account);
    if (may_be_cached || detached != 0) {
        flush_others(space, detached != 0);
    }
    while (detached != 0) {
        paddr_t next = *table_of(detached);
        page_free(account, 0, detached);
        detached = next;
    }
}

void arch_unmap_finally(struct arch_vmspace *space, vaddr_t address, size_t count, struct account *account) {
    vaddr_t end = address + count * PAGE_SIZE;
    bool was_mapped = clear(space, address, end);
    if (end - address >= TABLE_SPAN) {
        give_back_tables(space, address, end, was_mapped, account);
    } else if (was_mapped) {
        flush_others(space, false);
    }
}

// A table is made when the first page is mapped by it: a large page needs none.
[[gnu::noinline]] static bool promise_table(struct arch_vmspace *space, vaddr_t address, struct account *account) {
    uint64_t *entry = make_entry(space, address, DIRECTORY, account);
    if (entry == nullptr || (*entry == 0 && page_reserve(account, PAGE_SIZE) != OK)) {
        return false;
    }
    if (*entry == 0) {
        *entry = TABLE_PROMISED;
    }
    return true;
}

status_t arch_map_prepare(struct arch_vmspace *space, vaddr_t address, size_t count, struct account *account) {
    vaddr_t end = address + count * PAGE_SIZE;
    if (end - address >= TABLE_SPAN) {
        give_back_tables(space, address, end, false, account); // of earlier mappings, which reached farther
    }
    for (vaddr_t at = address; at < end; at = past(at, TABLE_SPAN)) {
        bool is_whole = at % TABLE_SPAN == 0 && end - at >= TABLE_SPAN;
        if (is_whole ? !promise_table(space, at, account) : arch_page_entry(space, at, account) == nullptr) {
            return ERR_NO_MEMORY;
        }
    }
    return OK;
}

// The tables are freed only when no CPU can walk them any more.
void arch_clear(struct arch_vmspace *space, vaddr_t base, vaddr_t end, struct account *account) {
    enum : uint64_t { PER_ENTRY = 1ull << 30 };
    static uint64_t detached[ARCH_SLOT_SIZE / PER_ENTRY];
    uint64_t *root = physical_to_kernel(space->root);
    uint64_t *table = table_of(root[index_at(base, LEVELS)]);
    unsigned count = 0;
    for (vaddr_t at = base; at < end && count < ARCH_SLOT_SIZE / PER_ENTRY; at += PER_ENTRY) {
        uint64_t *entry = &table[index_at(at, 3)];
        detached[count++] = *entry;
        *entry = 0;
    }
    flush();
    flush_others(space, true);
    free_tables(detached, count, 3, account);
}
