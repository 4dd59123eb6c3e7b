// The components of this system, and how they come, serve and go.
//
// Init believes nothing that a component sends: whatever is not `ready`, once, ends it.
#pragma once

#include <starina/component.h>

#include "restart.h"
#include "system.h"

// As interfaces/inspect.toml numbers them.
enum component_state : uint32_t {
    COMPONENT_STARTING = 0,
    COMPONENT_SERVING = 1,
    COMPONENT_WAITING = 2, // for its start or restart
    COMPONENT_ENDED = 3,   // and stays so, as its policy says
    COMPONENT_GIVEN_UP = 4,
};

struct instance {
    const struct system_component *wants;
    uint32_t index; // in the system file
    enum isolation_mode isolation;
    enum component_state state;
    bool is_settled; // served or failed once: the boot waits for it no longer
    process_t process;
    channel_t bootstrap; // our end; the framework's while the component runs
    struct restart_history restarts;
    struct timer restart_timer;
};

// What the kernel and the image gave to init.
struct inventory {
    resource_t resource;
    folio_t archive;
    const struct boot_info_page *boot_info;
    bytes_t command_line;
    struct system system;
    struct instance instances[SYSTEM_COMPONENTS_MAX];
};
extern struct inventory inventory;

// And listens to init: one whose bootstrap channel has ended is about to go.
static inline bool instance_is_running(const struct instance *instance) {
    bool is_alive = instance->state == COMPONENT_STARTING || instance->state == COMPONENT_SERVING;
    return is_alive && instance->bootstrap.handle != HANDLE_INVALID;
}

// Or it is about to go, and its policy decides then.
static inline bool instance_may_return(const struct instance *instance) {
    return instance->state != COMPONENT_ENDED && instance->state != COMPONENT_GIVEN_UP;
}

// Starts a component, now or after its delay. What goes wrong is logged and follows the restart policy.
void instance_start(struct instance *instance);
void instance_kill(struct instance *instance); // the exit follows
struct instance *instance_named(bytes_t name); // nullptr: none

// --- handover.c ---

// Sends everything that the manifest lists, then `start`. The component does not run yet.
status_t handover(struct instance *instance);

// --- links.c ---

// Makes or renews the channels to those it needs and those who need it.
status_t links_connect(struct instance *instance);
void links_disconnect(const struct instance *instance); // it has ended

// --- inspect.c ---

status_t inspect_connect(channel_t channel, struct instance *client); // owns the channel on success
