// The machine's devices: found when the first component wants one, each given to one component only.
//
// What a device says of itself is checked. A driver that has ended leaves its device running: it is stopped here, so that
// it writes into nobody else's memory.
#pragma once

#include "instance.h"
#include "pci_config.h"

#include <driver/device.h>

enum { FOUND_DEVICES_MAX = 32 };
enum : uint32_t { DEVICE_FREE = UINT32_MAX };

struct found_device;
struct supervisor_device_memory;
struct supervisor_device_interrupt;

// What a transport does with a device that it found.
struct device_bus {
    enum device_transport transport;
    status_t (*prepare)(struct found_device *found); // before each give
    bytes_t (*config)(const struct found_device *found, uint8_t copy[DEVICE_CONFIG_SIZE]);
    status_t (*give)(const struct found_device *found, const struct instance *instance, uint32_t number);
    void (*quiesce)(const struct found_device *found); // no DMA and no interrupts from now on
};

struct found_device {
    const struct device_bus *bus;
    uint32_t virtio_id;
    uint64_t address;         // MMIO: physical address of the registers; PCI: of the function's configuration space
    uint64_t size;            // bytes at the address
    volatile uint8_t *mapped; // the same here
    uint32_t line;            // MMIO: the interrupt
    uint32_t vectors;         // PCI: how many of its message-signalled interrupts are used
    struct pci_bar bars[PCI_BAR_COUNT];
    uint32_t owner; // index in the system file's devices, or DEVICE_FREE
};

// Hands over the wanted device as the component's device `number`. ERR_NOT_FOUND: there is none, or another has it
status_t device_give(const struct instance *instance, const struct system_device *wanted, uint32_t index, uint32_t number);
void devices_quiesce(uint32_t component); // all of one component

// For the transports. The device is dropped with a log line when there is no room.
void device_add(const struct found_device *found);
status_t device_map(uint64_t address, uint64_t size, volatile uint8_t **out_mapped); // physical, any alignment
status_t device_give_memory(const struct instance *instance, const struct supervisor_device_memory *region, uint64_t address);
status_t device_give_interrupt(const struct instance *instance, const struct supervisor_device_interrupt *event);

// Each adds what it finds. ERR_NOT_FOUND: the machine declares none of this kind.
status_t virtio_mmio_find_declared(bytes_t command_line);
void virtio_mmio_find_in_slots(void); // microvm's, which only ACPI's byte code declares
status_t pci_find(const struct boot_info_page *boot_info);
