// BAR sizing, placing and capabilities, against a fake function whose BARs keep only the bits that can be set.
#include "pci_config.c"

#include <string.h>
#include <test/test.h>

static uint32_t space[64];
static uint32_t settable[PCI_BAR_COUNT]; // address bits of each BAR
static bool was_decoding;                // while a BAR was changed
static struct pci_window window;

static uint32_t fake_read(void *context, unsigned offset) {
    (void) context;
    return space[offset / 4];
}

static void fake_write(void *context, unsigned offset, uint32_t value) {
    (void) context;
    if (offset >= OFFSET_BAR && offset < OFFSET_BAR + 4 * PCI_BAR_COUNT) {
        uint32_t bits = settable[(offset - OFFSET_BAR) / 4];
        was_decoding |= (space[1] & COMMAND_MEMORY) != 0;
        value = (value & bits) | (space[offset / 4] & ~bits);
    }
    space[offset / 4] = value;
}

static const struct pci_config config = {fake_read, fake_write, nullptr};

static void bar_make(unsigned index, uint32_t bits, uint32_t value) {
    settable[index] = bits;
    space[OFFSET_BAR / 4 + index] = value;
}

static void reset(void) {
    memset(space, 0, sizeof(space));
    memset(settable, 0, sizeof(settable));
    space[1] = COMMAND_MEMORY;
    was_decoding = false;
    window = (struct pci_window) {0xe0000000, 0xe0000000, 0xe0100000};
}

TEST("BARs without an address are placed by their size, 64-bit ones in two halves") {
    struct pci_bar bars[PCI_BAR_COUNT];
    reset();
    bar_make(0, 0xffffffe0, BAR_IS_IO);
    bar_make(1, 0xfffff000, 0);
    bar_make(4, 0xffffc000, BAR_TYPE_64 | 8);
    bar_make(5, 0xffffffff, 0);
    EXPECT_EQ(pci_bars_place(&config, &window, bars), OK);
    EXPECT_EQ(bars[0].size, 0);
    EXPECT_EQ(bars[1].size, 0x1000);
    EXPECT_EQ(bars[1].address, 0xe0000000);
    EXPECT_EQ(bars[4].size, 0x4000);
    EXPECT_EQ(bars[4].address, 0xe0004000);
    EXPECT_EQ(bars[5].size, 0);
    EXPECT_EQ(space[OFFSET_BAR / 4 + 4], 0xe0004000 | BAR_TYPE_64 | 8);
    EXPECT_EQ(space[OFFSET_BAR / 4 + 5], 0);
    EXPECT(!was_decoding);
}

TEST("what the firmware placed stays, unless it shares its page") {
    struct pci_bar bars[PCI_BAR_COUNT];
    reset();
    bar_make(0, 0xfffff000, 0xfebc1000);
    bar_make(1, 0xffffff00, 0xfebc2100);
    EXPECT_EQ(pci_bars_place(&config, &window, bars), OK);
    EXPECT_EQ(bars[0].address, 0xfebc1000);
    EXPECT_EQ(bars[1].address, 0xe0000000);
    EXPECT_EQ(bars[1].size, 0x100);
    EXPECT_EQ(window.next, 0xe0001000);
    EXPECT_EQ(pci_bars_place(&config, &window, bars), OK); // for a restarted driver
    EXPECT_EQ(bars[0].address, 0xfebc1000);
    EXPECT_EQ(bars[1].address, 0xe0000000);
    EXPECT_EQ(window.next, 0xe0001000);
}

TEST("a BAR that does not fit into the window is an error, also one of all 64 bits") {
    struct pci_bar bars[PCI_BAR_COUNT];
    reset();
    bar_make(0, 0xffe00000, 0);
    EXPECT_EQ(pci_bars_place(&config, &window, bars), ERR_NO_MEMORY);
    reset();
    bar_make(0, 0, BAR_TYPE_64);
    bar_make(1, 0x80000000, 0);
    EXPECT_EQ(pci_bars_place(&config, &window, bars), ERR_NO_MEMORY);
}

TEST("enabling switches MSI-X on and tells its table's size") {
    reset();
    space[1] |= STATUS_CAPABILITIES;
    space[OFFSET_CAPABILITIES / 4] = 0x98;
    space[0x98 / 4] = 0x40 << 8 | 0x09;
    space[0x40 / 4] = CAPABILITY_MSIX | 3 << 16 | MSIX_MASK_ALL;
    EXPECT_EQ(pci_enable(&config), 4);
    EXPECT_EQ(space[0x40 / 4], CAPABILITY_MSIX | 3 << 16 | MSIX_ENABLE);
    EXPECT((space[1] & COMMAND_BUS_MASTER) && (space[1] & COMMAND_MEMORY));
    pci_disable(&config);
    EXPECT(!(space[1] & COMMAND_BUS_MASTER));
}

TEST("a chain of capabilities that runs in a circle ends") {
    reset();
    space[1] |= STATUS_CAPABILITIES;
    space[OFFSET_CAPABILITIES / 4] = 0x40;
    space[0x40 / 4] = 0x40 << 8 | 0x09;
    EXPECT_EQ(pci_enable(&config), 0);
}
