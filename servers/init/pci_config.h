// What init reads and sets in a PCI function's configuration space before a driver gets the function.
#pragma once

#include <starina/types.h>

enum { PCI_BAR_COUNT = 6 };

// Aligned 32-bit accesses; the real one goes through ECAM, a test's to a fake.
struct pci_config {
    uint32_t (*read)(void *context, unsigned offset);
    void (*write)(void *context, unsigned offset, uint32_t value);
    void *context;
};

struct pci_bar {
    uint64_t address; // 0: not there, or no memory
    uint64_t size;
};

// Free addresses for BARs that the firmware left without one.
struct pci_window {
    uint64_t start;
    uint64_t next; // the first that is free; what is before it was placed here
    uint64_t end;
};

// Sizes the memory BARs of an ordinary (type 0) function, and places those that have no address or that share their page.
// Decoding is off afterwards. ERR_NO_MEMORY: the window is used up
status_t pci_bars_place(const struct pci_config *config, struct pci_window *window, struct pci_bar bars[PCI_BAR_COUNT]);

// Lets the function answer, do DMA and send message-signalled interrupts. Returns how many entries its MSI-X table has.
uint32_t pci_enable(const struct pci_config *config);
void pci_disable(const struct pci_config *config); // no DMA, hence no interrupts either
