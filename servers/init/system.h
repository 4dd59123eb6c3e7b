// The compiled system file (include/starina/system_file.h), checked before anything in it is believed.
#pragma once

#include <starina/system_file.h>

enum { SYSTEM_LINKS_MAX = 256, SYSTEM_DEVICES_MAX = 64, SYSTEM_CONFIG_MAX = 960 };

struct system {
    const struct system_component *components;
    const struct system_link *links;
    const struct system_device *devices;
    uint32_t component_count;
    uint32_t link_count;
    uint32_t device_count;
    bytes_t text;
};

// Finds the arrays; the file stays the caller's. ERR_MALFORMED, ERR_LIMIT: more than init has room for
status_t system_parse(bytes_t file, struct system *out_system);

// What is wrong with a component, link or device; nullptr: nothing.
const char *system_component_fault(const struct system *system, const struct system_component *component);
const char *system_link_fault(const struct system *system, const struct system_link *link);
const char *system_device_fault(const struct system *system, const struct system_device *device);

bytes_t system_config(const struct system *system, const struct system_component *component); // of a faultless one
