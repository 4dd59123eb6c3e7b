// The ACPI tables: how many CPUs, which interrupt controllers, where PCI's configuration space is.
//
// Firmware wrote them: lengths and checksums are verified, and what is wrong counts as absent.
#include "x86_64.h"

#include "../../memory.h"

struct [[gnu::packed]] rsdp {
    char signature[8];
    uint8_t checksum;
    char oem[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
    uint8_t extended_checksum, reserved[3];
};

struct [[gnu::packed]] table_header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem[6], oem_table[8];
    uint32_t oem_revision, creator, creator_revision;
};

struct [[gnu::packed]] madt {
    struct table_header header;
    uint32_t lapic, flags;
};

enum : uint8_t { MADT_LOCAL_APIC = 0, MADT_IO_APIC = 1 };

struct [[gnu::packed]] madt_entry {
    uint8_t type, length;
    union {
        struct [[gnu::packed]] {
            uint8_t processor, apic_id;
            uint32_t flags; // 1: usable
        } local_apic;
        struct [[gnu::packed]] {
            uint8_t id, reserved;
            uint32_t address, first_line;
        } io_apic;
    };
};

struct [[gnu::packed]] mcfg {
    struct table_header header;
    uint64_t reserved;
    struct [[gnu::packed]] {
        uint64_t base;
        uint16_t segment;
        uint8_t first_bus, last_bus;
        uint32_t reserved;
    } spaces[];
};

static bool sums_to_zero(const void *bytes, size_t size) {
    uint8_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        sum += ((const uint8_t *) bytes)[i];
    }
    return sum == 0;
}

static const struct table_header *table_at(paddr_t address) {
    if (address == 0 || !direct_map_covers(address, sizeof(struct table_header))) {
        return nullptr;
    }
    const struct table_header *table = physical_to_kernel(address);
    bool is_whole = table->length >= sizeof(*table) && direct_map_covers(address, table->length);
    return is_whole && sums_to_zero(table, table->length) ? table : nullptr;
}

// --- MADT ---

static void read_madt(const struct madt *madt) {
    const uint8_t *at = (const uint8_t *) (madt + 1), *end = (const uint8_t *) madt + madt->header.length;
    uint32_t cpus = 0;
    while (end - at >= 2) {
        const struct madt_entry *entry = (const struct madt_entry *) at;
        if (entry->length < 2 || entry->length > end - at) {
            break;
        }
        if (entry->type == MADT_LOCAL_APIC && entry->length >= 8) {
            cpus += entry->local_apic.flags & 1;
        } else if (entry->type == MADT_IO_APIC && entry->length >= 12) {
            ioapic_add(entry->io_apic.address, entry->io_apic.first_line);
        }
        at += entry->length;
    }
    machine_info.cpu_count = cpus == 0 ? 1 : cpus > CPU_MAX ? CPU_MAX : cpus;
}

static void read_mcfg(const struct mcfg *mcfg) {
    if (mcfg->header.length < sizeof(*mcfg) + sizeof(mcfg->spaces[0])) {
        return;
    }
    machine_info.ecam_base = mcfg->spaces[0].base;
    machine_info.ecam_first_bus = mcfg->spaces[0].first_bus;
    machine_info.ecam_last_bus = mcfg->spaces[0].last_bus;
}

static void read_table(paddr_t address) {
    const struct table_header *table = table_at(address);
    if (table == nullptr) {
        return;
    }
    if (memcmp(table->signature, "APIC", 4) == 0 && table->length >= sizeof(struct madt)) {
        read_madt((const struct madt *) table);
    } else if (memcmp(table->signature, "MCFG", 4) == 0) {
        read_mcfg((const struct mcfg *) table);
    }
}

// The root table lists the others by addresses of 4 (RSDT) or 8 bytes (XSDT).
static void read_root(const struct table_header *root, size_t address_size) {
    const uint8_t *at = (const uint8_t *) (root + 1), *end = (const uint8_t *) root + root->length;
    for (; (size_t) (end - at) >= address_size; at += address_size) {
        uint64_t address = 0;
        memcpy(&address, at, address_size);
        read_table(address);
    }
}

// Without tables there is one CPU and one IOAPIC, where PCs have it.
void acpi_init(paddr_t address) {
    enum : paddr_t { IOAPIC_USUAL = 0xfec00000 };
    enum : size_t { RSDP_FIRST_PART = 20 };
    machine_info.cpu_count = 1;
    const struct rsdp *rsdp = address != 0 && direct_map_covers(address, sizeof(*rsdp)) ? physical_to_kernel(address) : nullptr;
    const struct table_header *root = nullptr;
    bool is_valid = rsdp != nullptr && memcmp(rsdp->signature, "RSD PTR ", 8) == 0 && sums_to_zero(rsdp, RSDP_FIRST_PART);
    bool has_xsdt = is_valid && rsdp->revision >= 2 && sums_to_zero(rsdp, sizeof(*rsdp));
    if (is_valid) {
        root = table_at(has_xsdt ? rsdp->xsdt : rsdp->rsdt);
    }
    if (root == nullptr) {
        ioapic_add(IOAPIC_USUAL, 0);
        return;
    }
    read_root(root, has_xsdt ? 8 : 4);
}
