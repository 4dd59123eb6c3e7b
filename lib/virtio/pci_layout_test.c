// Tests of reading a virtio PCI device's capabilities, honest and hostile.
#include <test/test.h>
#include <virtio/pci_layout.h>

static uint8_t config[PCI_CONFIG_SIZE];

static void put32(size_t at, uint32_t value) {
    for (size_t i = 0; i < 4; i++) {
        config[at + i] = (uint8_t) (value >> (8 * i));
    }
}

static void put_virtio(size_t at, uint8_t next, uint8_t type, uint8_t bar, uint32_t offset, uint32_t size) {
    put32(at, 0x09u | (uint32_t) next << 8 | 20u << 16 | (uint32_t) type << 24);
    put32(at + 4, bar);
    put32(at + 8, offset);
    put32(at + 12, size);
    put32(at + 16, 4);
}

// As QEMU's virtio-net-pci has them.
static void make(void) {
    __builtin_memset(config, 0, sizeof(config));
    put32(0, 0x10411af4);
    config[0x34] = 0x98;
    put32(0x98, 0x11u | 0x84u << 8 | 3u << 16); // MSI-X, 4 entries
    put32(0x9c, 1);
    put_virtio(0x84, 0x70, 5, 0, 0, 0);
    put_virtio(0x70, 0x60, 2, 4, 0x3000, 0x1000);
    put_virtio(0x60 - 0x0c, 0x40, 4, 4, 0x2000, 0x1000);
    config[0x71] = 0x54;
    put_virtio(0x40, 0, 1, 4, 0, 0x1000);
    config[0x42] = 16;
}

TEST("an honest device's parts are found") {
    struct pci_layout layout;
    make();
    pci_layout_read(config, &layout);
    EXPECT_EQ(layout.virtio_id, 1);
    EXPECT(layout.common.bar == 4 && layout.common.offset == 0 && layout.common.size == 0x1000);
    EXPECT(layout.config.offset == 0x2000 && layout.notify.offset == 0x3000 && layout.notify_multiplier == 4);
    EXPECT(layout.msix_table.bar == 1 && layout.msix_table.offset == 0 && layout.msix_table.size == 64);
}

TEST("a transitional device's id is in its subsystem; other vendors and ids are not virtio") {
    struct pci_layout layout;
    make();
    put32(0, 0x10001af4);
    put32(0x2c, 0x00011af4);
    pci_layout_read(config, &layout);
    EXPECT_EQ(layout.virtio_id, 1);
    put32(0, 0x10001234);
    pci_layout_read(config, &layout);
    EXPECT_EQ(layout.virtio_id, 0);
    put32(0, 0x0fff1af4);
    pci_layout_read(config, &layout);
    EXPECT_EQ(layout.virtio_id, 0);
}

TEST("a list that loops, runs off the end or names missing BARs ends, and gives nothing wrong") {
    struct pci_layout layout;
    make();
    config[0x41] = 0x40; // itself
    config[0x44] = 6;    // no such BAR
    pci_layout_read(config, &layout);
    EXPECT_EQ(layout.common.size, 0);
    make();
    config[0x34] = 0xfc;
    put32(0xfc, 0x09 | 20 << 16 | 1 << 24); // its fields would lie behind the end
    pci_layout_read(config, &layout);
    EXPECT_EQ(layout.common.size, 0);
    put32(0xfc, 0x11);
    pci_layout_read(config, &layout);
    EXPECT_EQ(layout.msix_table.size, 0);
}

TEST("random configuration spaces are read without harm") {
    uint64_t random = 88172645463325252ull;
    for (unsigned i = 0; i < 20000; i++) {
        for (size_t at = 0; at < sizeof(config); at++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            static const uint8_t likely[] = {0x09, 0x11, 20, 1, 2, 4, 0x40, 0xf4};
            config[at] = random % 3 == 0 ? (uint8_t) (random >> 8) : likely[random >> 8 & 7];
        }
        struct pci_layout layout;
        pci_layout_read(config, &layout);
        EXPECT(layout.common.bar < PCI_BARS_MAX && layout.msix_table.bar < PCI_BARS_MAX);
    }
}
