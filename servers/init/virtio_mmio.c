// virtio devices behind memory-mapped registers (virtio 1.2 §4.2): found where the machine declares them.
#include "virtio_mmio.h"

#include "command_line.h"
#include "devices.h"

#include <supervisor.h>

// virtio 1.2 §4.2.2
enum { REGISTER_MAGIC = 0x000, REGISTER_VERSION = 0x004, REGISTER_DEVICE_ID = 0x008, REGISTER_STATUS = 0x070 };
enum : uint32_t { MAGIC = 0x74726976, VERSION_MODERN = 2 };

// QEMU's microvm: hw/i386/microvm.c.
enum : uint64_t { SLOTS_ADDRESS = 0xfeb00000 };
enum { SLOT_SIZE = 512, SLOT_COUNT = 24, SLOTS_FIRST_LINE = 24 };

static uint32_t read_register(volatile uint8_t *registers, unsigned offset) {
    return *(volatile uint32_t *) (registers + offset);
}

static status_t prepare(struct found_device *found) {
    (void) found;
    return OK;
}

static bytes_t config(const struct found_device *found, uint8_t copy[DEVICE_CONFIG_SIZE]) {
    (void) found;
    (void) copy;
    return (bytes_t) {};
}

static status_t give(const struct found_device *found, const struct instance *instance, uint32_t number) {
    struct supervisor_device_memory region = {.device = number, .size = found->size};
    TRY(device_give_memory(instance, &region, found->address));
    struct supervisor_device_interrupt event = {.device = number};
    TRY(interrupt_create(inventory.resource, found->line, INTERRUPT_LEVEL, &event.interrupt));
    return device_give_interrupt(instance, &event);
}

// Writing 0 resets the device.
static void quiesce(const struct found_device *found) {
    *(volatile uint32_t *) (found->mapped + REGISTER_STATUS) = 0;
}

static const struct device_bus mmio_bus = {DEVICE_VIRTIO_MMIO, prepare, config, give, quiesce};

static void look(const struct virtio_mmio_declaration *declared, volatile uint8_t *registers) {
    if (read_register(registers, REGISTER_MAGIC) != MAGIC) {
        return;
    }
    uint32_t id = read_register(registers, REGISTER_DEVICE_ID);
    uint32_t version = read_register(registers, REGISTER_VERSION);
    if (id == 0) {
        return; // an empty slot
    }
    if (version != VERSION_MODERN) {
        log_warn("the virtio device at %#llx has the legacy version %u", (unsigned long long) declared->address, version);
        return;
    }
    device_add(&(struct found_device) {
        .bus = &mmio_bus,
        .virtio_id = id,
        .address = declared->address,
        .size = declared->size,
        .mapped = registers,
        .line = declared->line,
    });
}

static void look_at_declared(bytes_t text) {
    struct virtio_mmio_declaration declared;
    volatile uint8_t *registers;
    status_t status = virtio_mmio_parse(text, &declared);
    if (status == OK) {
        status = device_map(declared.address, declared.size, &registers);
    }
    if (status == OK) {
        look(&declared, registers);
    } else {
        log_warn("virtio_mmio.device=%.*s: %s", (int) text.len, (const char *) text.ptr, status_name(status));
    }
}

status_t virtio_mmio_find_declared(bytes_t line) {
    status_t found = ERR_NOT_FOUND;
    for (bytes_t word = command_line_word(&line); word.len != 0; word = command_line_word(&line)) {
        if (bytes_equal(text_until(&word, '='), BYTES("virtio_mmio.device"))) {
            look_at_declared(word);
            found = OK;
        }
    }
    return found;
}

void virtio_mmio_find_in_slots(void) {
    volatile uint8_t *slots;
    status_t status = device_map(SLOTS_ADDRESS, SLOT_SIZE * SLOT_COUNT, &slots);
    if (status != OK) {
        log_warn("virtio-mmio slots: %s", status_name(status));
        return;
    }
    for (uint32_t i = 0; i < SLOT_COUNT; i++) {
        struct virtio_mmio_declaration slot = {SLOTS_ADDRESS + SLOT_SIZE * i, SLOT_SIZE, SLOTS_FIRST_LINE + i};
        look(&slot, slots + SLOT_SIZE * i);
    }
}
