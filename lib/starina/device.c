// The devices that init hands over, kept until the driver asks for them.
#include "internal.h"

#include <driver/device.h>
#include <supervisor.h>

static struct device devices[DEVICES_MAX];

void device_set(const struct supervisor_device *event) {
    if (event->device < DEVICES_MAX) {
        struct device *device = &devices[event->device];
        device->transport = (enum device_transport) event->transport;
        status_t status = mem_copy(device->config, sizeof(device->config), event->config.ptr, event->config.len);
        device->transport = status == OK ? device->transport : 0;
    }
}

void device_set_memory(const struct supervisor_device_memory *event) {
    if (event->device < DEVICES_MAX && event->region < DEVICE_REGIONS_MAX) {
        devices[event->device].regions[event->region] =
            (struct device_region) {folio_take(&event->folio), event->offset, event->size};
    }
}

void device_set_interrupt(const struct supervisor_device_interrupt *event) {
    if (event->device < DEVICES_MAX && event->number < DEVICE_INTERRUPTS_MAX) {
        devices[event->device].interrupts[event->number] =
            (struct device_interrupt) {interrupt_take(&event->interrupt), event->message_address, event->message_data};
    }
}

status_t device_get(unsigned index, struct device *out_device) {
    if (index >= DEVICES_MAX || devices[index].transport == 0) {
        return ERR_NOT_FOUND;
    }
    *out_device = devices[index];
    return OK;
}

status_t on_interrupt(interrupt_t interrupt, void (*handle)(void *context), void *context) {
    return watch_begin(
        (struct watch) {.object = interrupt.handle, .kind = WATCH_INTERRUPT, .handle = (hook_t) handle, .context = context});
}
