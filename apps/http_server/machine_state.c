// This machine's state: asks init for the machine's counters, tcpip for the network's, then init for each component's, and
// writes them down as JSON.
#include "machine_state.h"

#include "http_connection.h"
#include "text.h"

#include <inspect.client.h>
#include <needs.h>
#include <network.client.h>
#include <starina/process.h>

enum : size_t { TEXT_SIZE = 32 * 1024 };

static char buffer[TEXT_SIZE];
static struct text text;
static uint64_t machine_id; // tells one machine from another
static uint32_t next_component, component_count;
static void (*on_done)(status_t status, folio_t folio, size_t size);

struct number {
    const char *name;
    uint64_t value;
};

static void add_numbers(const struct number *numbers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        text_add(&text, "\"%s\":%llu,", numbers[i].name, (unsigned long long) numbers[i].value);
    }
}

static status_t make_folio(folio_t *out_folio) {
    uint64_t address;
    TRY(folio_create(text.length, 0, out_folio));
    status_t status = vmspace_map(*out_folio, 0, text.length, MAP_READ | MAP_WRITE, &address);
    if (status == OK) {
        status = mem_copy((void *) (uintptr_t) address, text.length, text.start, text.length);
        (void) vmspace_unmap(address); // it was just mapped there
    }
    if (status != OK) {
        (void) handle_close(out_folio->handle);
    }
    return status;
}

static void finish(status_t status) {
    void (*done)(status_t, folio_t, size_t) = on_done;
    folio_t folio = {HANDLE_INVALID};
    if (status == OK) {
        text_add(&text, "]}\n");
        status = text.is_cut ? ERR_TOO_LARGE : make_folio(&folio);
    }
    on_done = nullptr;
    done(status, folio, text.length);
    if (folio.handle != HANDLE_INVALID) {
        (void) handle_close(folio.handle);
    }
}

// Names are checked by the build, but this is a boundary: only what needs no escape is passed on.
static void add_name(bytes_t name) {
    for (size_t i = 0; i < name.len; i++) {
        uint8_t byte = name.ptr[i];
        bool is_plain = byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\';
        text_add(&text, "%c", is_plain ? byte : '?');
    }
}

static const char *name_of_state(uint32_t state) {
    static const char *const names[] = {"starting", "serving", "waiting", "ended", "given up"};
    return state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}

static void add_component(const struct inspect_component_reply *component) {
    text_add(&text, "%s{\"name\":\"", next_component == 0 ? "" : ",");
    add_name(component->name);
    text_add(&text, "\",");
    const struct number numbers[] = {
        {"restarts", component->restarts},
        {"cpu_us", component->cpu_ns / NSEC_PER_USEC},
        {"memory", component->memory_used},
        {"memory_peak", component->memory_peak},
        {"memory_limit", component->memory_limit},
        {"messages_sent", component->messages_sent},
        {"messages_received", component->messages_received},
        {"system_calls", component->system_calls},
        {"page_faults", component->page_faults},
        {"message_bytes", component->message_bytes},
        {"handles", component->handles},
    };
    add_numbers(numbers, sizeof(numbers) / sizeof(numbers[0]));
    text_add(&text, "\"isolation\":\"%s\",\"state\":\"%s\"}", component->isolation == ISOLATION_KERNEL ? "kernel" : "user",
             name_of_state(component->state));
}

static void ask_for_component(void);

static void on_component(void *, status_t status, const struct inspect_component_reply *reply) {
    if (status != OK) {
        finish(status);
        return;
    }
    add_component(reply);
    next_component++;
    ask_for_component();
}

static void ask_for_component(void) {
    if (next_component == component_count) {
        finish(OK);
        return;
    }
    struct inspect_component question = {.index = next_component};
    status_t status = inspect_component_begin(need_inspect(), &question, on_component, nullptr);
    if (status != OK) {
        finish(status);
    }
}

static void on_network(void *, status_t status, const struct network_status_reply *reply) {
    if (status != OK) {
        finish(status);
        return;
    }
    const struct number numbers[] = {
        {"frames_received", reply->frames_received}, {"frames_sent", reply->frames_sent},
        {"frames_dropped", reply->frames_dropped},   {"checksum_errors", reply->checksum_errors},
        {"connections", reply->connections},         {"bytes_copied_by_network", reply->bytes_copied},
        {"bytes_copied_by_server", send_copied},
    };
    add_numbers(numbers, sizeof(numbers) / sizeof(numbers[0]));
    text_add(&text, "\"components\":[");
    ask_for_component();
}

static void on_system(void *, status_t status, const struct inspect_system_reply *reply) {
    if (status != OK) {
        finish(status);
        return;
    }
    const struct number numbers[] = {
        {"uptime_us", reply->now_ns / NSEC_PER_USEC},
        {"boot_us", reply->booted_ns / NSEC_PER_USEC},
        {"boot_instructions", reply->booted_instructions},
        {"memory_total", reply->memory_total},
        {"memory_free", reply->memory_free},
        {"memory_kernel", reply->kernel_memory},
        {"cpus", reply->cpus},
        {"interrupts", reply->interrupts},
        {"timer_interrupts", reply->timer_interrupts},
        {"context_switches", reply->context_switches},
    };
    text_add(&text, "{\"machine\":\"%016llx\",", (unsigned long long) machine_id);
    add_numbers(numbers, sizeof(numbers) / sizeof(numbers[0]));
    component_count = reply->components;
    next_component = 0;
    status = network_status_begin(need_network(), on_network, nullptr);
    if (status != OK) {
        finish(status);
    }
}

status_t machine_state_init(void) {
    if (machine_id == 0) {
        TRY(random_u64(&machine_id));
    }
    return inspect_attach_plain(need_inspect());
}

void machine_state_collect(void (*done)(status_t status, folio_t folio, size_t size)) {
    if (on_done != nullptr) {
        return; // under way: it will be called for all
    }
    on_done = done;
    text = (struct text) {.start = buffer, .size = sizeof(buffer)};
    status_t status = inspect_system_begin(need_inspect(), on_system, nullptr);
    if (status != OK) {
        finish(status);
    }
}
