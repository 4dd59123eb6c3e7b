// The life of a component: created, started, serving, ended, and by its policy started again.
#include "instance.h"

#include "devices.h"

#define SUPERVISOR_CLIENT struct instance
#include <supervisor.server.h>

enum { BOOTSTRAP_CAPACITY = 8 << 10 }; // holds all that a component is handed over, links made later included

struct inventory inventory;

static void on_restart(void *context) {
    instance_start(context);
}

struct instance *instance_named(bytes_t name) {
    for (uint32_t i = 0; i < inventory.system.component_count; i++) {
        struct instance *instance = &inventory.instances[i];
        if (instance->wants != nullptr && bytes_equal(name, bytes_from_string(instance->wants->name))) {
            return instance;
        }
    }
    return nullptr;
}

// The boot is over when each component has served or failed once.
static void instance_settle(struct instance *settled) {
    settled->is_settled = true;
    for (uint32_t i = 0; i < inventory.system.component_count; i++) {
        const struct instance *instance = &inventory.instances[i];
        if (instance->wants != nullptr && !instance->is_settled) {
            return;
        }
    }
    status_t status = system_booted(inventory.resource);
    if (status != OK) {
        log_error("can't tell that all serve: %s", status_name(status));
    }
}

// --- End ---

static void instance_retire(struct instance *instance, enum component_state state) {
    instance->state = state;
    links_disconnect(instance);
}

static bool wants_restart(const struct instance *instance, bool has_failed) {
    enum restart_policy policy = instance->wants->restart;
    return policy >= RESTART_ALWAYS || (policy == RESTART_ON_FAILURE && has_failed);
}

static void instance_schedule(struct instance *instance, bool has_failed) {
    nsec_t delay_ns;
    const char *name = instance->wants->name;
    if (!wants_restart(instance, has_failed)) {
        instance_retire(instance, COMPONENT_ENDED);
    } else if (restart_plan(&instance->restarts, instance->wants->restart, clock_ns(), &delay_ns) != OK) {
        log_error("%s: given up: %d restarts within %llu s", name, RESTARTS_MAX,
                  (unsigned long long) (RESTART_WINDOW_NS / NSEC_PER_SEC));
        instance_retire(instance, COMPONENT_GIVEN_UP);
    } else {
        instance_retire(instance, COMPONENT_WAITING);
        log_info("%s: restart %u in %llu ms", name, instance->restarts.count, (unsigned long long) (delay_ns / NSEC_PER_MSEC));
        timer_start(&instance->restart_timer, delay_ns, on_restart, instance);
    }
    instance_settle(instance);
}

// Gives back what is left of a process, whether it ran or could not be started.
static void instance_release(struct instance *instance) {
    devices_quiesce(instance->index);
    if (instance->bootstrap.handle != HANDLE_INVALID) {
        (void) channel_detach(instance->bootstrap); // not attached any more if the component was the first to end it
        instance->bootstrap = (channel_t) {HANDLE_INVALID};
    }
    if (instance->process.handle != HANDLE_INVALID) {
        (void) watch_remove(instance->process.handle);
        (void) handle_close(instance->process.handle);
        instance->process = (process_t) {HANDLE_INVALID};
    }
}

static const char *reason_text(uint64_t reason) {
    switch (reason) {
    case EXIT_NORMAL:
        return "exited";
    case EXIT_KILLED:
        return "was killed";
    case EXIT_FAULT:
        return "crashed";
    case EXIT_NO_MEMORY:
        return "ran out of memory";
    case EXIT_NO_PAGE:
        return "touched a page that its pager did not supply";
    default:
        return "ended";
    }
}

static void on_exit(void *context, uint64_t reason) {
    struct instance *instance = context;
    struct process_info info = {};
    status_t status = process_info(instance->process, &info);
    bool has_failed = reason != EXIT_NORMAL || status != OK || info.exit_code != 0;
    if (has_failed) {
        log_warn("%s: %s with code %lld", instance->wants->name, reason_text(reason), (long long) info.exit_code);
    } else {
        log_info("%s: ended", instance->wants->name);
    }
    instance_release(instance);
    instance_schedule(instance, has_failed);
}

void instance_kill(struct instance *instance) {
    if (instance->process.handle != HANDLE_INVALID) {
        devices_quiesce(instance->index);       // before its memory is somebody else's
        (void) process_kill(instance->process); // fails only if it has ended already
    }
}

// --- Bootstrap channel ---

static status_t supervisor_ready(struct instance *instance) {
    if (instance->state != COMPONENT_STARTING) {
        return ERR_STATE;
    }
    instance->state = COMPONENT_SERVING;
    instance_settle(instance);
    return OK;
}

// It sent something else than `ready`, closed its end, or has ended.
static void on_bootstrap_closed(struct instance *instance) {
    instance->bootstrap = (channel_t) {HANDLE_INVALID};
    instance_kill(instance);
}

// --- Start ---

static status_t find_image(const struct system_component *wants, struct process_config *config) {
    static const bytes_t folder = BYTES("/components/");
    char path[sizeof("/components/") + NAME_MAX_LENGTH];
    TRY(mem_copy(path, sizeof(path), folder.ptr, folder.len));
    TRY(bytes_to_string(path + folder.len, sizeof(path) - folder.len, bytes_from_string(wants->component)));
    const struct archive_entry *entry = archive_find(bytes_from_string(path));
    if (entry == nullptr) {
        return ERR_NOT_FOUND;
    }
    config->image = inventory.archive;
    config->image_offset = entry->offset;
    config->image_size = entry->size;
    return OK;
}

static status_t create_process(struct instance *instance) {
    const struct system_component *wants = instance->wants;
    struct process_config config = {
        .isolation = instance->isolation,
        .memory_limit = wants->memory_limit,
        .handle_limit = wants->handle_limit,
        .priority = wants->priority,
        .stack_size = wants->stack_size,
        .resource = inventory.resource,
    };
    TRY(bytes_to_string(config.name, sizeof(config.name), bytes_from_string(wants->name)));
    TRY(find_image(wants, &config));
    TRY(process_create(&config, &instance->process));
    return watch_add(instance->process.handle, on_exit, instance);
}

static status_t create_and_start(struct instance *instance) {
    uint64_t ends;
    TRY(create_process(instance));
    TRY(channel_create(BOOTSTRAP_CAPACITY, &ends));
    channel_t ours = {(handle_t) ends}, theirs = {(handle_t) (ends >> 32)};
    status_t status = supervisor_serve(ours, instance, on_bootstrap_closed, nullptr);
    if (status != OK) {
        (void) handle_close(ours.handle);
        (void) handle_close(theirs.handle);
        return status;
    }
    instance->bootstrap = ours;
    status = handover(instance);
    status = status == OK ? process_start(instance->process, theirs) : status;
    if (status != OK) {
        (void) handle_close(theirs.handle);
    }
    return status;
}

void instance_start(struct instance *instance) {
    instance->state = COMPONENT_STARTING;
    status_t status = create_and_start(instance);
    if (status != OK) {
        log_error("%s: can't be started: %s", instance->wants->name, status_name(status));
        instance_kill(instance);
        instance_release(instance);
        instance_schedule(instance, true);
    }
}
