// Hands a component what the system file lists for it, over its bootstrap channel, in messages that wait in its queue.
#include "command_line.h"
#include "devices.h"
#include "instance.h"

#include <supervisor.h>

static status_t give_archive(const struct instance *instance) {
    handle_t copy;
    TRY(handle_duplicate(inventory.archive.handle, RIGHT_READ | RIGHT_TRANSFER | RIGHT_DUPLICATE | RIGHT_DMA, &copy));
    status_t status = supervisor_archive_send(instance->bootstrap, &(struct supervisor_archive) {{copy}});
    if (status != OK) {
        (void) handle_close(copy);
    }
    return status;
}

// The devices of one component are numbered as its manifest lists them. One that is missing is the driver's to report.
static status_t give_devices(const struct instance *instance) {
    uint32_t number = 0;
    for (uint32_t i = 0; i < inventory.system.device_count; i++) {
        const struct system_device *wanted = &inventory.system.devices[i];
        if (wanted->component != instance->index || system_device_fault(&inventory.system, wanted) != nullptr) {
            continue;
        }
        status_t status = device_give(instance, wanted, i, number++);
        if (status == ERR_NOT_FOUND) {
            log_warn("%s: this machine has no free virtio device of kind %u", instance->wants->name, wanted->id);
        } else if (status != OK) {
            return status;
        }
    }
    return OK;
}

static status_t give_start(const struct instance *instance) {
    uint8_t text[SYSTEM_CONFIG_MAX];
    size_t length = 0;
    bytes_t name = bytes_from_string(instance->wants->name);
    TRY(bytes_store(text, sizeof(text), system_config(&inventory.system, instance->wants), &length));
    status_t status = command_line_config(inventory.command_line, name, text, sizeof(text), &length);
    if (status != OK) {
        log_warn("%s: its settings of the command line do not all fit", instance->wants->name);
    }
    return supervisor_start_send(instance->bootstrap, &(struct supervisor_start) {name, {text, length}});
}

status_t handover(struct instance *instance) {
    TRY(links_connect(instance));
    if (instance->wants->gives_archive != 0) {
        TRY(give_archive(instance));
    }
    TRY(give_devices(instance));
    return give_start(instance);
}
