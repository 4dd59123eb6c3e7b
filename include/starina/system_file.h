// The compiled form of systems/NAME.toml, in the archive as "/system". Written by tools/, read by init.
//
// Layout: struct system_header, then components[], links[], devices[] as arrays, then the configuration text. Offsets
// in the text are from its start. Components are in dependency order: servers before their clients.
#pragma once

#include <starina/process.h>

enum : uint64_t { SYSTEM_MAGIC = 0x3153595341524154 };
enum { SYSTEM_COMPONENTS_MAX = 64 };

enum restart_policy : uint32_t { RESTART_NEVER = 0, RESTART_ON_FAILURE = 1, RESTART_ALWAYS = 2, RESTART_UNLIMITED = 3 };

struct system_header {
    uint64_t magic;
    uint32_t component_count;
    uint32_t link_count;
    uint32_t device_count;
    uint32_t text_size;
};

struct system_component {
    char name[32];      // instance name: what logs, --isolate and the page show
    char component[32]; // the ELF is "/components/<component>"
    enum isolation_mode isolation;
    enum restart_policy restart;
    uint64_t memory_limit;
    uint32_t priority;
    uint32_t stack_size;
    uint32_t handle_limit;
    uint32_t gives_archive; // 1: gets a read-only handle of the archive
    uint32_t config_offset; // "key=value\n" lines in the text
    uint32_t config_size;
};

enum : uint32_t { SYSTEM_SERVER_INIT = UINT32_MAX };

// The client needs a service that the server provides.
struct system_link {
    uint32_t client;  // index of a component
    uint32_t server;  // index of a component, or SYSTEM_SERVER_INIT
    char service[32]; // interface name: "ethernet"
};

enum device_class : uint32_t { DEVICE_VIRTIO = 1 };

// A component wants a device.
struct system_device {
    uint32_t component;
    enum device_class device_class;
    uint32_t id; // DEVICE_VIRTIO: virtio device ID (1 = network)
    uint32_t reserved;
};
