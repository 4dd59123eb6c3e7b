// What a component author meets: the one header that every component and every generated header includes.
//
// docs/framework.md describes it all. Raw memory and string functions are banned after this include: bytes.h has
// checked ones. A foreign library's headers go before it.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <starina/archive.h>
#include <starina/bytes.h>
#include <starina/connection.h>
#include <starina/log.h>
#include <starina/syscalls.h>
#include <starina/timer.h>
#include <starina/wire.h>

struct client; // a component's state per connection

// Limits and hooks of a component. Zero means the default.
struct component {
    const char *name;
    const struct protocol *provides; // set by the provided interface's server header
    size_t client_size;

    uint32_t clients;  // connections to what it provides, default 8; a further one is refused
    uint32_t channels; // further attached or served channels, default 16
    uint32_t calls;    // asynchronous calls under way, default 16
    uint32_t deferred; // calls whose handler answered PENDING, default 8
    uint32_t watches;  // interrupts and processes, default 8

    uint32_t reply_max; // bytes of the largest reply of what it serves with foo_serve, beyond the provided one's

    bool is_init;                                  // it has no supervisor: start() runs at once (starina/init.h)
    bool ready_later;                              // it calls component_ready() itself
    status_t (*start)(void);                       // everything was handed over; an error ends the component
    status_t (*on_connect)(struct client *client); // an error refuses the client
    void (*on_disconnect)(struct client *client);  // for each client whose on_connect succeeded
    void (*on_writable)(struct client *client);    // room again, after ERR_FULL
    void (*on_reconnect)(const char *service);     // its server was restarted; need_*() is the new channel
};
extern const struct component component;

#define COMPONENT_PROVIDES
#define COMPONENT(component_name, ...) \
    const struct component component = {.name = #component_name, COMPONENT_PROVIDES __VA_ARGS__}

channel_t service_channel(const char *name); // of a service in the manifest's needs; need_*() of "needs.h" calls it
const char *component_name(void);            // the instance's name in the system file
void component_ready(void);
[[noreturn]] void component_exit(int code);
const char *status_name(status_t status); // "ERR_FULL"

// From the system file's `config` and the command line.
uint64_t config_u64(const char *key, uint64_t otherwise); // `otherwise` if it is missing or not a number
bytes_t config_bytes(const char *key, bytes_t otherwise);

// The image's archive, for a component whose manifest says `archive = true`. Mapped at the first use.
const struct archive_entry *archive_find(bytes_t path); // nullptr: no such file, or no archive
bytes_t archive_content(const struct archive_entry *entry);
folio_t archive_folio(void); // stays the framework's

// Where in the archive the files of a folder lie, in whole pages. ERR_NOT_FOUND: there is none
status_t archive_range(bytes_t folder, uint64_t *out_offset, uint64_t *out_size);

// Calls `handle` on the main loop when an interrupt came or a process ended. ERR_LIMIT: .watches of COMPONENT
status_t watch_add(handle_t object, void (*handle)(void *context, uint64_t value), void *context);
status_t watch_remove(handle_t object); // before the handle is closed. ERR_NOT_FOUND

// What the framework dropped.
struct component_counters {
    uint64_t malformed;       // messages that were not what the interface says
    uint64_t refused_clients; // beyond .clients
    uint64_t stale_events;    // for connections that had ended
};
extern struct component_counters component_counters;

#pragma GCC poison memcpy memmove memset strcpy strncpy strcat strncat strtok sprintf vsprintf malloc calloc realloc
