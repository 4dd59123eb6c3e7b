// init: starts the components of the system file, hands each what it may use, and restarts what dies.
//
// Trusted with what the kernel gave it; trusts the kernel and the image's maker, and no component.
#include "command_line.h"
#include "instance.h"

#include <inspect.h>
#include <starina/init.h>

enum { INSPECTORS_MAX = 32 };

static status_t map_boot_info(void) {
    uint64_t address;
    TRY(vmspace_map((folio_t) {INIT_HANDLE_BOOT_INFO}, 0, sizeof(struct boot_info_page), MAP_READ, &address));
    inventory.boot_info = (const struct boot_info_page *) (uintptr_t) address;
    inventory.command_line = bytes_from_string(inventory.boot_info->command_line);
    return OK;
}

static status_t configure(void) {
    uint8_t text[SYSTEM_CONFIG_MAX];
    size_t length = 0;
    TRY(command_line_config(inventory.command_line, BYTES("init"), text, sizeof(text), &length));
    config_set((bytes_t) {text, length});
    return OK;
}

static status_t read_system(void) {
    inventory.archive = (folio_t) {INIT_HANDLE_ARCHIVE};
    archive_set(inventory.archive);
    const struct archive_entry *entry = archive_find(BYTES("/system"));
    return entry != nullptr ? system_parse(archive_content(entry), &inventory.system) : ERR_NOT_FOUND;
}

// A faulty component is left out, and whoever needs it finds its channel closed.
static void instance_prepare(struct instance *instance, const struct system_component *wants) {
    instance->index = (uint32_t) (instance - inventory.instances);
    const char *fault = system_component_fault(&inventory.system, wants);
    if (fault != nullptr) {
        log_error("component %u of the system file is left out: %s", instance->index, fault);
        instance->state = COMPONENT_ENDED;
        return;
    }
    instance->wants = wants;
    instance->state = COMPONENT_WAITING;
    instance->isolation = wants->isolation;
    bytes_t name = bytes_from_string(wants->name);
    if (command_line_isolation(inventory.command_line, name, &instance->isolation) == ERR_MALFORMED) {
        log_warn("isolate=%s: neither user nor kernel", wants->name);
    }
}

static void report_faults(void) {
    const struct system *system = &inventory.system;
    for (uint32_t i = 0; i < system->link_count; i++) {
        const char *fault = system_link_fault(system, &system->links[i]);
        if (fault != nullptr) {
            log_error("link %u of the system file is left out: %s", i, fault);
        }
    }
    for (uint32_t i = 0; i < system->device_count; i++) {
        const char *fault = system_device_fault(system, &system->devices[i]);
        if (fault != nullptr) {
            log_error("device %u of the system file is left out: %s", i, fault);
        }
    }
}

// Servers come before their clients in the file. Nobody waits for anybody: what is sent early waits in a queue.
static status_t start(void) {
    inventory.resource = (resource_t) {INIT_HANDLE_RESOURCE};
    TRY(map_boot_info());
    TRY(configure());
    TRY(read_system());
    report_faults();
    for (uint32_t i = 0; i < inventory.system.component_count; i++) {
        instance_prepare(&inventory.instances[i], &inventory.system.components[i]);
    }
    for (uint32_t i = 0; i < inventory.system.component_count; i++) {
        if (inventory.instances[i].wants != nullptr) {
            instance_start(&inventory.instances[i]);
        }
    }
    return OK;
}

COMPONENT(init, .is_init = true, .start = start, .channels = SYSTEM_COMPONENTS_MAX + INSPECTORS_MAX,
          .watches = SYSTEM_COMPONENTS_MAX, .reply_max = INSPECT_REPLY_MAX);
