// The table of devices, and who has which.
#include "devices.h"

#include <supervisor.h>

static struct found_device devices[FOUND_DEVICES_MAX];
static size_t device_count;
static bool is_searched;

void device_add(const struct found_device *found) {
    if (device_count == FOUND_DEVICES_MAX) {
        log_warn("more than %d devices; one is left out", FOUND_DEVICES_MAX);
        return;
    }
    devices[device_count] = *found;
    devices[device_count++].owner = DEVICE_FREE;
}

status_t device_map(uint64_t address, uint64_t size, volatile uint8_t **out_mapped) {
    uint64_t page = address & ~(PAGE_SIZE - 1), mapped;
    uint64_t whole = (address - page + size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    folio_t folio;
    TRY(folio_create_device(inventory.resource, page, whole, &folio));
    status_t status = vmspace_map(folio, 0, whole, MAP_READ | MAP_WRITE, &mapped);
    (void) handle_close(folio.handle); // the mapping keeps it
    *out_mapped = (volatile uint8_t *) (uintptr_t) (mapped + (address - page));
    return status;
}

// Only what the machine declares, and the least telling source last.
static void search(void) {
    if (is_searched) {
        return;
    }
    is_searched = true;
    if (virtio_mmio_find_declared(inventory.command_line) != OK && pci_find(inventory.boot_info) != OK) {
        virtio_mmio_find_in_slots();
    }
}

static uint32_t owning_component(const struct found_device *found) {
    return inventory.system.devices[found->owner].component;
}

// Registers of two MMIO devices may lie in one page, and who maps the one could drive the other.
static const struct found_device *page_neighbour(const struct found_device *wanted, uint32_t component) {
    for (size_t i = 0; i < device_count; i++) {
        const struct found_device *other = &devices[i];
        bool is_near = other->address / PAGE_SIZE == wanted->address / PAGE_SIZE;
        if (is_near && other->owner != DEVICE_FREE && owning_component(other) != component) {
            return other;
        }
    }
    return nullptr;
}

// The one that this wish got before a restart, else the first free one.
static struct found_device *choose(const struct system_device *wanted, uint32_t index) {
    struct found_device *free = nullptr;
    for (size_t i = 0; i < device_count; i++) {
        struct found_device *device = &devices[i];
        if (device->owner == index) {
            return device;
        }
        if (free != nullptr || device->owner != DEVICE_FREE || device->virtio_id != wanted->id) {
            continue;
        }
        if (page_neighbour(device, wanted->component) != nullptr) {
            log_warn("the device at %#llx shares its page with another component's and is not given to %s",
                     (unsigned long long) device->address, inventory.instances[wanted->component].wants->name);
            continue;
        }
        free = device;
    }
    return free;
}

status_t device_give(const struct instance *instance, const struct system_device *wanted, uint32_t index, uint32_t number) {
    search();
    struct found_device *device = choose(wanted, index);
    if (device == nullptr) {
        return ERR_NOT_FOUND;
    }
    device->owner = index;
    TRY(device->bus->prepare(device));
    uint8_t copy[DEVICE_CONFIG_SIZE];
    struct supervisor_device event = {number, device->bus->transport, device->bus->config(device, copy)};
    TRY(supervisor_device_send(instance->bootstrap, &event));
    return device->bus->give(device, instance, number);
}

void devices_quiesce(uint32_t component) {
    for (size_t i = 0; i < device_count; i++) {
        if (devices[i].owner != DEVICE_FREE && owning_component(&devices[i]) == component) {
            devices[i].bus->quiesce(&devices[i]);
        }
    }
}

status_t device_give_memory(const struct instance *instance, const struct supervisor_device_memory *region, uint64_t address) {
    struct supervisor_device_memory event = *region;
    uint64_t page = address & ~(PAGE_SIZE - 1);
    event.offset = address - page;
    uint64_t whole = (event.offset + event.size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    TRY(folio_create_device(inventory.resource, page, whole, &event.folio));
    status_t status = supervisor_device_memory_send(instance->bootstrap, &event);
    if (status != OK) {
        (void) handle_close(event.folio.handle);
    }
    return status;
}

status_t device_give_interrupt(const struct instance *instance, const struct supervisor_device_interrupt *event) {
    status_t status = supervisor_device_interrupt_send(instance->bootstrap, event);
    if (status != OK) {
        (void) handle_close(event->interrupt.handle);
    }
    return status;
}
