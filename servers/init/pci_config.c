// BARs and capabilities of a PCI function (PCI Local Bus 3.0 §6.2.5, §6.7, §6.8.2). A function's answers are bounded.
#include "pci_config.h"

enum { OFFSET_COMMAND = 0x04, OFFSET_BAR = 0x10, OFFSET_CAPABILITIES = 0x34 };
enum : uint32_t {
    COMMAND_MEMORY = 1 << 1,
    COMMAND_BUS_MASTER = 1 << 2,
    COMMAND_NO_INTX = 1 << 10,
    COMMAND_MASK = 0xffff, // the status above is cleared by writing ones
    STATUS_CAPABILITIES = 1 << 20,
    BAR_IS_IO = 1 << 0,
    BAR_TYPE_MASK = 3 << 1,
    BAR_TYPE_64 = 2 << 1,
    BAR_ADDRESS_MASK = 0xfffffff0,
    CAPABILITY_MSIX = 0x11,
    MSIX_ENABLE = 1u << 31,
    MSIX_MASK_ALL = 1u << 30,
    MSIX_SIZE_MASK = 0x7ff,
};
enum { CAPABILITIES_MAX = 48 }; // as many as fit: a loop ends

static uint32_t read(const struct pci_config *config, unsigned offset) {
    return config->read(config->context, offset);
}

static void write(const struct pci_config *config, unsigned offset, uint32_t value) {
    config->write(config->context, offset, value);
}

static void set_command(const struct pci_config *config, uint32_t clear, uint32_t set) {
    write(config, OFFSET_COMMAND, ((read(config, OFFSET_COMMAND) & COMMAND_MASK) & ~clear) | set);
}

// --- BARs ---

static uint32_t probe(const struct pci_config *config, unsigned offset) {
    uint32_t before = read(config, offset);
    write(config, offset, UINT32_MAX);
    uint32_t mask = read(config, offset);
    write(config, offset, before);
    return mask;
}

static uint64_t bar_size(const struct pci_config *config, unsigned offset, bool is_64) {
    uint64_t mask = probe(config, offset) & BAR_ADDRESS_MASK;
    if (mask == 0 && !is_64) {
        return 0;
    }
    mask |= (uint64_t) (is_64 ? probe(config, offset + 4) : UINT32_MAX) << 32;
    return mask & -mask; // the lowest bit that can be set
}

static status_t bar_place(const struct pci_config *config, struct pci_window *window, unsigned offset, bool is_64,
                          struct pci_bar *bar) {
    uint64_t alignment = bar->size > PAGE_SIZE ? bar->size : PAGE_SIZE;
    if (bar->size > window->end) {
        return ERR_NO_MEMORY;
    }
    uint64_t address = (window->next + alignment - 1) & ~(alignment - 1);
    if (address > window->end || alignment > window->end - address) {
        return ERR_NO_MEMORY;
    }
    window->next = address + alignment;
    bar->address = address;
    write(config, offset, (uint32_t) address);
    if (is_64) {
        write(config, offset + 4, (uint32_t) (address >> 32));
    }
    return OK;
}

static status_t bar_read(const struct pci_config *config, struct pci_window *window, unsigned offset, bool is_64,
                         struct pci_bar *bar) {
    bar->size = bar_size(config, offset, is_64);
    if (bar->size == 0) {
        return OK;
    }
    uint64_t high = is_64 ? read(config, offset + 4) : 0;
    bar->address = (high << 32) | (read(config, offset) & BAR_ADDRESS_MASK);
    bool is_placed_here = bar->address >= window->start && bar->address < window->next;
    if (is_placed_here || (bar->address != 0 && bar->size >= PAGE_SIZE)) {
        return OK;
    }
    return bar_place(config, window, offset, is_64, bar);
}

status_t pci_bars_place(const struct pci_config *config, struct pci_window *window, struct pci_bar bars[PCI_BAR_COUNT]) {
    set_command(config, COMMAND_MEMORY | COMMAND_BUS_MASTER, 0);
    for (unsigned i = 0; i < PCI_BAR_COUNT; i++) {
        bars[i] = (struct pci_bar) {};
    }
    for (unsigned i = 0; i < PCI_BAR_COUNT; i++) {
        unsigned offset = OFFSET_BAR + 4 * i;
        uint32_t kind = read(config, offset);
        if (kind & BAR_IS_IO) {
            continue;
        }
        bool is_64 = (kind & BAR_TYPE_MASK) == BAR_TYPE_64 && i + 1 < PCI_BAR_COUNT;
        TRY(bar_read(config, window, offset, is_64, &bars[i]));
        i += is_64;
    }
    return OK;
}

// --- Switching on and off ---

static unsigned capability_find(const struct pci_config *config, uint32_t wanted) {
    if (!(read(config, OFFSET_COMMAND) & STATUS_CAPABILITIES)) {
        return 0;
    }
    unsigned offset = read(config, OFFSET_CAPABILITIES) & 0xfc;
    for (unsigned i = 0; i < CAPABILITIES_MAX && offset != 0; i++) {
        uint32_t header = read(config, offset);
        if ((header & 0xff) == wanted) {
            return offset;
        }
        offset = header >> 8 & 0xfc;
    }
    return 0;
}

uint32_t pci_enable(const struct pci_config *config) {
    unsigned msix = capability_find(config, CAPABILITY_MSIX);
    uint32_t entries = 0;
    if (msix != 0) {
        uint32_t control = read(config, msix);
        entries = (control >> 16 & MSIX_SIZE_MASK) + 1;
        write(config, msix, (control & ~MSIX_MASK_ALL) | MSIX_ENABLE);
    }
    set_command(config, 0, COMMAND_MEMORY | COMMAND_BUS_MASTER | COMMAND_NO_INTX);
    return entries;
}

void pci_disable(const struct pci_config *config) {
    set_command(config, COMMAND_BUS_MASTER, 0);
}
