// Serves `inspect`: what runs here, for the page and for tests.
#include "instance.h"

#define INSPECT_CLIENT struct instance
#include <inspect.server.h>

static status_t inspect_system(struct instance *client, struct inspect_system_reply *reply) {
    (void) client;
    struct system_info info;
    TRY(system_info(&info));
    *reply = (struct inspect_system_reply) {
        .now_ns = info.now_ns,
        .booted_ns = info.booted_ns,
        .booted_instructions = info.booted_instructions,
        .memory_total = info.memory_total,
        .memory_free = info.memory_free,
        .kernel_memory = info.kernel_memory,
        .cpus = info.cpu_count,
        .components = inventory.system.component_count + 1,
        .interrupts = info.interrupts,
        .timer_interrupts = info.timer_interrupts,
        .context_switches = info.context_switches,
    };
    return OK;
}

static void fill_counters(struct inspect_component_reply *reply, const struct process_info *info) {
    reply->isolation = info->isolation;
    reply->cpu_ns = info->cpu_ns;
    reply->memory_used = info->memory_used;
    reply->memory_peak = info->memory_peak;
    reply->memory_limit = info->memory_limit;
    reply->messages_sent = info->messages_sent;
    reply->messages_received = info->messages_received;
    reply->system_calls = info->system_calls;
    reply->page_faults = info->page_faults;
    reply->message_bytes = info->copied_bytes;
    reply->handles = info->handles;
}

static status_t inspect_init(struct inspect_component_reply *reply) {
    struct process_info info;
    TRY(process_info((process_t) {HANDLE_INVALID}, &info));
    fill_counters(reply, &info);
    reply->name = BYTES("init");
    reply->state = COMPONENT_SERVING;
    return OK;
}

static status_t inspect_component(struct instance *client, const struct inspect_component *request,
                                  struct inspect_component_reply *reply) {
    (void) client;
    if (request->index == 0) {
        return inspect_init(reply);
    }
    if (request->index > inventory.system.component_count) {
        return ERR_NOT_FOUND;
    }
    const struct instance *instance = &inventory.instances[request->index - 1];
    struct process_info info = {.isolation = instance->isolation};
    if (instance->process.handle != HANDLE_INVALID) {
        TRY(process_info(instance->process, &info));
    }
    fill_counters(reply, &info);
    reply->name = bytes_from_string(instance->wants != nullptr ? instance->wants->name : "?");
    reply->state = instance->state;
    reply->restarts = instance->restarts.count;
    return OK;
}

static status_t inspect_kill(struct instance *client, const struct inspect_kill *request) {
    (void) client;
    if (config_u64("allow_kill", 0) != 1) {
        return ERR_DENIED;
    }
    struct instance *instance = instance_named(request->name);
    if (instance == nullptr || !instance_is_running(instance)) {
        return ERR_NOT_FOUND;
    }
    instance_kill(instance);
    return OK;
}

status_t inspect_connect(channel_t channel, struct instance *client) {
    return inspect_serve(channel, client, nullptr, nullptr);
}
