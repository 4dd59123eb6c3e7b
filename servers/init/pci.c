// PCI express through its memory-mapped configuration space (ECAM): finds virtio functions, gives their BARs and vectors.
//
// Bridges are followed as the firmware numbered them, to a bounded depth.
#include "devices.h"
#include "pci_config.h"

#include <supervisor.h>

enum { BUS_SIZE = 1 << 20, FUNCTION_SIZE = 4096, DEVICES_PER_BUS = 32, FUNCTIONS_PER_DEVICE = 8, BRIDGE_DEPTH_MAX = 4 };
enum { OFFSET_ID = 0x00, OFFSET_HEADER_TYPE = 0x0c, OFFSET_BUSES = 0x18 };
enum : uint32_t { HEADER_BRIDGE = 1, HEADER_TYPE_MASK = 0x7f, HEADER_MULTIFUNCTION = 0x80 };
enum : uint32_t { VENDOR_NONE = 0xffff, VENDOR_VIRTIO = 0x1af4, DEVICE_VIRTIO_MODERN = 0x1040, DEVICE_VIRTIO_LAST = 0x107f };
enum { VECTORS_MAX = 3 }; // configuration changes, and a queue each way

// Below ECAM and the interrupt controllers of all PCs, above the RAM of those that QEMU makes.
static struct pci_window window = {.start = 0xe0000000, .next = 0xe0000000, .end = 0xf0000000};

static uint32_t config_read(void *context, unsigned offset) {
    return *(volatile uint32_t *) ((volatile uint8_t *) context + offset);
}

static void config_write(void *context, unsigned offset, uint32_t value) {
    *(volatile uint32_t *) ((volatile uint8_t *) context + offset) = value;
}

static struct pci_config config_of(const struct found_device *found) {
    return (struct pci_config) {config_read, config_write, (void *) found->mapped};
}

// --- Handing over ---

static status_t prepare(struct found_device *found) {
    struct pci_config config = config_of(found);
    TRY(pci_bars_place(&config, &window, found->bars));
    uint32_t entries = pci_enable(&config);
    found->vectors = entries < VECTORS_MAX ? entries : VECTORS_MAX;
    return OK;
}

static bytes_t config_copy(const struct found_device *found, uint8_t copy[DEVICE_CONFIG_SIZE]) {
    for (unsigned offset = 0; offset < DEVICE_CONFIG_SIZE; offset += sizeof(uint32_t)) {
        uint32_t value = config_read((void *) found->mapped, offset);
        __builtin_memcpy(copy + offset, &value, sizeof(value));
    }
    return (bytes_t) {copy, DEVICE_CONFIG_SIZE};
}

static status_t give_bars(const struct found_device *found, const struct instance *instance, uint32_t number) {
    for (uint32_t i = 0; i < PCI_BAR_COUNT; i++) {
        const struct pci_bar *bar = &found->bars[i];
        if (bar->size != 0) {
            struct supervisor_device_memory region = {.device = number, .region = i, .size = bar->size};
            TRY(device_give_memory(instance, &region, bar->address));
        }
    }
    return OK;
}

static status_t give_vectors(const struct instance *instance, uint32_t number, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        struct supervisor_device_interrupt event = {.device = number, .number = i};
        TRY(interrupt_create_msi(inventory.resource, &event.interrupt));
        uint64_t message = 0;
        status_t status = interrupt_message(event.interrupt, &message);
        if (status != OK) {
            (void) handle_close(event.interrupt.handle);
            return status;
        }
        event.message_address = message & UINT32_MAX;
        event.message_data = (uint32_t) (message >> 32);
        TRY(device_give_interrupt(instance, &event));
    }
    return OK;
}

static status_t give(const struct found_device *found, const struct instance *instance, uint32_t number) {
    TRY(give_bars(found, instance, number));
    return give_vectors(instance, number, found->vectors);
}

static void quiesce(const struct found_device *found) {
    struct pci_config config = config_of(found);
    pci_disable(&config);
}

static const struct device_bus pci_bus = {DEVICE_VIRTIO_PCI, prepare, config_copy, give, quiesce};

// --- Finding ---

struct search {
    uint64_t ecam;
    uint32_t first_bus, last_bus;
};

static void search_bus(const struct search *search, uint32_t bus, unsigned depth);

static void look(const struct search *search, volatile uint8_t *config, uint64_t address, uint32_t bus, unsigned depth) {
    uint32_t id = config_read((void *) config, OFFSET_ID), vendor = id & 0xffff, device = id >> 16;
    uint32_t type = config_read((void *) config, OFFSET_HEADER_TYPE) >> 16 & HEADER_TYPE_MASK;
    if (type == HEADER_BRIDGE) {
        uint32_t secondary = config_read((void *) config, OFFSET_BUSES) >> 8 & 0xff;
        if (secondary > bus && depth < BRIDGE_DEPTH_MAX) {
            search_bus(search, secondary, depth + 1);
        }
    } else if (type == 0 && vendor == VENDOR_VIRTIO && device > DEVICE_VIRTIO_MODERN && device <= DEVICE_VIRTIO_LAST) {
        device_add(&(struct found_device) {
            .bus = &pci_bus,
            .virtio_id = device - DEVICE_VIRTIO_MODERN,
            .address = address,
            .size = FUNCTION_SIZE,
            .mapped = config,
        });
    }
}

static uint32_t function_count(volatile uint8_t *config) {
    if ((config_read((void *) config, OFFSET_ID) & 0xffff) == VENDOR_NONE) {
        return 0;
    }
    uint32_t type = config_read((void *) config, OFFSET_HEADER_TYPE) >> 16;
    return type & HEADER_MULTIFUNCTION ? FUNCTIONS_PER_DEVICE : 1;
}

static void search_bus(const struct search *search, uint32_t bus, unsigned depth) {
    volatile uint8_t *mapped;
    uint64_t address = search->ecam + (uint64_t) (bus - search->first_bus) * BUS_SIZE;
    if (bus < search->first_bus || bus > search->last_bus || device_map(address, BUS_SIZE, &mapped) != OK) {
        log_warn("PCI bus %u can't be read", bus);
        return;
    }
    for (uint32_t i = 0; i < DEVICES_PER_BUS; i++) {
        volatile uint8_t *device = mapped + i * FUNCTIONS_PER_DEVICE * FUNCTION_SIZE;
        uint32_t functions = function_count(device);
        for (uint32_t j = 0; j < functions; j++) {
            volatile uint8_t *function = device + j * FUNCTION_SIZE;
            if (function_count(function) != 0) {
                look(search, function, address + (uint64_t) (function - mapped), bus, depth);
            }
        }
    }
}

status_t pci_find(const struct boot_info_page *boot_info) {
    if (boot_info->ecam_base == 0) {
        return ERR_NOT_FOUND;
    }
    struct search search = {boot_info->ecam_base, boot_info->ecam_first_bus, boot_info->ecam_last_bus};
    search_bus(&search, search.first_bus, 0);
    return OK;
}
