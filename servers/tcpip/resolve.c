// Host names to IPv4 addresses: lwIP's resolver, with a fixed number of lookups at a time.
#include <lwip/dns.h>

#include "resolve.h"
#include "uri.h"

#include <starina/component.h>

enum { LOOKUPS_MAX = DNS_TABLE_SIZE };
enum : nsec_t { ANSWER_TIME = 6 * NSEC_PER_SEC }; // lwIP gives up after 7 s; what fails before was answered

struct lookup {
    resolved_t resolved; // nullptr: free
    void *context;
    nsec_t began;
};

static struct lookup lookups[LOOKUPS_MAX];
static unsigned lookup_count;
static bool was_used;

enum : uint16_t { PORT_DEFAULT = 53 };
static ip_addr_t configured; // 0.0.0.0: what DHCP says counts
static uint16_t configured_port;

uint16_t resolve_server_port(void) {
    return configured.addr != 0 ? configured_port : PORT_DEFAULT;
}

bool resolve_is_waiting(void) {
    return lookup_count != 0;
}

bool resolve_was_used(void) {
    return was_used;
}

uint32_t resolve_server(void) {
    return configured.addr != 0 ? configured.addr : dns_getserver(0)->addr;
}

status_t resolve_set_server(bytes_t endpoint) {
    TRY(endpoint_parse(endpoint, PORT_DEFAULT, &configured.addr, &configured_port));
    dns_setserver(0, &configured);
    return OK;
}

// DHCP has told lwIP of another one with each lease.
static void insist_on_server(void) {
    if (configured.addr != 0) {
        dns_setserver(0, &configured);
    }
}

static struct lookup *lookup_take(resolved_t resolved, void *context) {
    for (size_t i = 0; i < LOOKUPS_MAX; i++) {
        if (lookups[i].resolved == nullptr) {
            lookups[i] = (struct lookup) {resolved, context, clock_ns()};
            lookup_count++;
            return &lookups[i];
        }
    }
    return nullptr;
}

static void lookup_finish(struct lookup *lookup, status_t status, uint32_t address) {
    struct lookup finished = *lookup;
    *lookup = (struct lookup) {};
    lookup_count--;
    finished.resolved(finished.context, status, address);
}

static void found(const char *name, const ip_addr_t *address, void *context) {
    (void) name;
    struct lookup *lookup = context;
    if (address != nullptr) {
        lookup_finish(lookup, OK, address->addr);
        return;
    }
    bool was_answered = clock_ns() - lookup->began < ANSWER_TIME;
    lookup_finish(lookup, was_answered ? ERR_NOT_FOUND : ERR_TIMED_OUT, 0);
}

static void forget(void *context, status_t status, uint32_t address) {
    (void) context;
    (void) status;
    (void) address;
}

// lwIP goes on until it has an answer or gives up.
void resolve_cancel(const void *context) {
    for (size_t i = 0; i < LOOKUPS_MAX; i++) {
        if (lookups[i].context == context) {
            lookups[i].resolved = lookups[i].resolved != nullptr ? forget : nullptr;
        }
    }
}

status_t resolve_begin(bytes_t name, resolved_t resolved, void *context) {
    char text[HOST_NAME_MAX_LENGTH + 1];
    ip_addr_t address;
    if (!host_name_is_valid(name)) {
        return ERR_INVALID_ARGUMENT;
    }
    TRY(bytes_to_string(text, sizeof(text), name));
    if (resolve_server() == 0) {
        return ERR_UNREACHABLE;
    }
    struct lookup *lookup = lookup_take(resolved, context);
    if (lookup == nullptr) {
        return ERR_LIMIT;
    }
    insist_on_server();
    was_used = true;
    err_t error = dns_gethostbyname(text, &address, found, lookup);
    if (error == ERR_OK) {
        lookup_finish(lookup, OK, address.addr);
    } else if (error != ERR_INPROGRESS) {
        lookup_finish(lookup, error == ERR_MEM ? ERR_LIMIT : ERR_UNREACHABLE, 0);
    }
    return OK;
}
