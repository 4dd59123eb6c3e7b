// Checks the compiled system file: a wrong header ends it, a wrong entry only itself.
#include "system.h"

#include <starina/bytes.h>

// Takes an array of `count` elements off the front of the file.
static status_t take_array(bytes_t *file, uint32_t count, size_t size, const void **out_array) {
    size_t bytes = (size_t) count * size; // both are small: no overflow in 64 bits
    *out_array = file->ptr;
    return bytes <= file->len ? bytes_slice(*file, bytes, file->len - bytes, file) : ERR_MALFORMED;
}

status_t system_parse(bytes_t file, struct system *out_system) {
    const struct system_header *header;
    TRY(take_array(&file, 1, sizeof(*header), (const void **) &header));
    if (header->magic != SYSTEM_MAGIC) {
        return ERR_MALFORMED;
    }
    if (header->component_count > SYSTEM_COMPONENTS_MAX || header->link_count > SYSTEM_LINKS_MAX ||
        header->device_count > SYSTEM_DEVICES_MAX) {
        return ERR_LIMIT;
    }
    struct system found = {
        .component_count = header->component_count,
        .link_count = header->link_count,
        .device_count = header->device_count,
    };
    TRY(take_array(&file, found.component_count, sizeof(*found.components), (const void **) &found.components));
    TRY(take_array(&file, found.link_count, sizeof(*found.links), (const void **) &found.links));
    TRY(take_array(&file, found.device_count, sizeof(*found.devices), (const void **) &found.devices));
    TRY(take_array(&file, header->text_size, 1, (const void **) &found.text.ptr));
    found.text.len = header->text_size;
    *out_system = found;
    return OK;
}

static bool is_name(const char name[32]) {
    return name[0] != 0 && __builtin_memchr(name, 0, NAME_MAX_LENGTH + 1) != nullptr;
}

const char *system_component_fault(const struct system *system, const struct system_component *component) {
    bytes_t config;
    if (!is_name(component->name) || !is_name(component->component)) {
        return "a name is missing or too long";
    }
    if (component->isolation != ISOLATION_USER && component->isolation != ISOLATION_KERNEL) {
        return "no such isolation mode";
    }
    if (component->restart > RESTART_UNLIMITED) {
        return "no such restart policy";
    }
    if (component->priority >= PRIORITY_COUNT) {
        return "no such priority";
    }
    if (component->config_size > SYSTEM_CONFIG_MAX ||
        bytes_slice(system->text, component->config_offset, component->config_size, &config) != OK) {
        return "its configuration is not in the file, or too long";
    }
    return nullptr;
}

const char *system_link_fault(const struct system *system, const struct system_link *link) {
    bool has_server = link->server == SYSTEM_SERVER_INIT || link->server < system->component_count;
    if (link->client >= system->component_count || !has_server) {
        return "no such component";
    }
    return is_name(link->service) ? nullptr : "the service's name is missing or too long";
}

const char *system_device_fault(const struct system *system, const struct system_device *device) {
    if (device->component >= system->component_count) {
        return "no such component";
    }
    return device->device_class == DEVICE_VIRTIO ? nullptr : "no such class of devices";
}

bytes_t system_config(const struct system *system, const struct system_component *component) {
    return (bytes_t) {system->text.ptr + component->config_offset, component->config_size};
}
