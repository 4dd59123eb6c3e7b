// Starts the floor's virtio network card (legacy interface, MMIO) and its interrupt.

#include "device.h"

// Memory map of QEMU's microvm without ACPI.
enum : uint32_t { VIRTIO_BASE = 0xfeb00000, VIRTIO_SLOT_SIZE = 512, IO_APIC = 0xfec00000, LOCAL_APIC = 0xfee00000 };
enum { VIRTIO_SLOTS = 24, VIRTIO_FIRST_IRQ = 5, SERIAL_PORT = 0x3f8, PIC_MASK = 0x21, PIC_MASK_SLAVE = 0xa1, VECTOR = 0x40 };

// virtio 1.2 §4.2.4: the legacy interface's registers.
enum : uint32_t {
    MAGIC_VALUE = 0x00,
    DEVICE_ID = 0x08,
    HOST_FEATURES = 0x10,
    HOST_FEATURES_SELECT = 0x14,
    GUEST_FEATURES = 0x20,
    GUEST_FEATURES_SELECT = 0x24,
    GUEST_PAGE_SIZE = 0x28,
    QUEUE_SELECT = 0x30,
    QUEUE_SIZE = 0x38,
    QUEUE_ALIGN = 0x3c,
    QUEUE_PAGE = 0x40,
    QUEUE_NOTIFY = 0x50,
    INTERRUPT_STATUS = 0x60,
    INTERRUPT_ACKNOWLEDGE = 0x64,
    STATUS = 0x70,
    CONFIG = 0x100,
};
enum : uint32_t { VIRTIO_MAGIC = 0x74726976, VIRTIO_NET = 1, STATUS_DRIVER = 3, STATUS_READY = 7 };
enum : uint32_t { FEATURE_CHECKSUM = 1 << 0, FEATURE_MAC = 1 << 5, FEATURE_TSO4 = 1 << 11 };

struct queue queues[2] __attribute__((aligned(PAGE)));
uint8_t received[ENTRIES][FRAME_MAX];
uint8_t own_mac[6];
bool has_checksum, has_segmentation;

static volatile uint32_t *device;
static uint64_t idt[256];

void acknowledge(void);
void interrupt_entry(void); // start.S; calls acknowledge()

static uint32_t reg_read(uint32_t offset) {
    return device[offset / 4];
}

static void reg_write(uint32_t offset, uint32_t value) {
    device[offset / 4] = value;
}

static void port_write(uint16_t port, uint8_t value) {
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

void acknowledge(void) {
    reg_write(INTERRUPT_ACKNOWLEDGE, reg_read(INTERRUPT_STATUS));
    *(volatile uint32_t *) (LOCAL_APIC + 0xb0) = 0; // end of interrupt
}

static uint32_t find_device(void) {
    for (uint32_t slot = 0; slot < VIRTIO_SLOTS; slot++) {
        device = (volatile uint32_t *) (VIRTIO_BASE + slot * VIRTIO_SLOT_SIZE);
        if (reg_read(MAGIC_VALUE) == VIRTIO_MAGIC && reg_read(DEVICE_ID) == VIRTIO_NET) {
            return VIRTIO_FIRST_IRQ + slot;
        }
    }
    __builtin_trap();
}

static void set_queue(uint32_t number) {
    reg_write(QUEUE_SELECT, number);
    reg_write(QUEUE_SIZE, ENTRIES);
    reg_write(QUEUE_ALIGN, PAGE);
    reg_write(QUEUE_PAGE, (uint32_t) &queues[number] / PAGE);
}

static void set_device(void) {
    reg_write(STATUS, 0);
    reg_write(STATUS, STATUS_DRIVER);
    reg_write(HOST_FEATURES_SELECT, 0);
    uint32_t features = reg_read(HOST_FEATURES) & (FEATURE_CHECKSUM | FEATURE_MAC | FEATURE_TSO4);
    reg_write(GUEST_FEATURES_SELECT, 0);
    reg_write(GUEST_FEATURES, features);
    has_checksum = features & FEATURE_CHECKSUM;
    has_segmentation = features & FEATURE_TSO4;
    reg_write(GUEST_PAGE_SIZE, PAGE);
    for (uint32_t i = 0; i < 6; i++) {
        own_mac[i] = ((volatile uint8_t *) device)[CONFIG + i];
    }
    set_queue(RECEIVE);
    set_queue(SEND);
    queues[SEND].available.flags = NO_INTERRUPT;
    for (uint16_t i = 0; i < ENTRIES; i++) {
        queues[RECEIVE].descriptors[i] = (struct descriptor) {(uint32_t) received[i], FRAME_MAX, WRITE, 0};
        queues[RECEIVE].available.ring[i] = i;
    }
    queues[RECEIVE].available.index = ENTRIES;
    reg_write(STATUS, STATUS_READY);
    reg_write(QUEUE_NOTIFY, RECEIVE);
}

static void set_interrupts(uint32_t irq) {
    uint64_t entry = (uint32_t) interrupt_entry;
    uint64_t gate = (entry & 0xffff) | 8u << 16 | ((entry & 0xffff0000) | 0x8e00) << 32; // Intel SDM vol. 3A §6.11
    for (int i = 0; i < 256; i++) {
        idt[i] = gate;
    }
    struct [[gnu::packed]] {
        uint16_t limit;
        uint32_t base;
    } pointer = {sizeof idt - 1, (uint32_t) idt};
    __asm__ volatile("lidt %0" ::"m"(pointer));
    port_write(PIC_MASK, 0xff);
    port_write(PIC_MASK_SLAVE, 0xff);
    *(volatile uint32_t *) (LOCAL_APIC + 0xf0) = 0x1ff; // enabled
    volatile uint32_t *io_apic = (volatile uint32_t *) IO_APIC;
    io_apic[0] = 0x10 + 2 * irq + 1;
    io_apic[4] = *(volatile uint32_t *) (LOCAL_APIC + 0x20); // to this CPU
    io_apic[0] = 0x10 + 2 * irq;
    io_apic[4] = VECTOR;
}

void device_start(void) {
    set_interrupts(find_device());
    set_device();
}

void device_notify(uint32_t queue) {
    reg_write(QUEUE_NOTIFY, queue);
}

void console_print(const char *text) {
    while (*text) {
        port_write(SERIAL_PORT, (uint8_t) *text++);
    }
}
