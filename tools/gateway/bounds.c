// Keeps a hash table of client addresses with linear probing. Trusts its callers to remove what they added.
#include "bounds.h"

#include <stdlib.h>
#include <sys/resource.h>

struct client {
    uint32_t address;
    uint32_t count; // 0: the place is free
};

static struct client *clients;
static size_t clients_mask;

bool clients_begin(size_t visits_max) {
    size_t size = 16;
    while (size < visits_max * 2) {
        size *= 2;
    }
    clients = calloc(size, sizeof(*clients));
    clients_mask = size - 1;
    return clients != nullptr;
}

static size_t home_of(uint32_t address) {
    return (address * 0x9e3779b1u >> 8) & clients_mask; // Knuth's multiplicative hash
}

// The address's place, or the free one where it would be.
static size_t find(uint32_t address) {
    size_t at = home_of(address);
    while (clients[at].count != 0 && clients[at].address != address) {
        at = (at + 1) & clients_mask;
    }
    return at;
}

uint32_t clients_count(uint32_t address) {
    return clients[find(address)].count;
}

void clients_add(uint32_t address) {
    struct client *client = &clients[find(address)];
    client->address = address;
    client->count++;
}

// Moves those behind the gap that can't be found any more into it.
static void close_gap(size_t gap) {
    for (size_t at = (gap + 1) & clients_mask; clients[at].count != 0; at = (at + 1) & clients_mask) {
        size_t distance = (at - home_of(clients[at].address)) & clients_mask;
        if (distance >= ((at - gap) & clients_mask)) {
            clients[gap] = clients[at];
            clients[at].count = 0;
            gap = at;
        }
    }
}

void clients_remove(uint32_t address) {
    size_t at = find(address);
    if (clients[at].count == 0) {
        return;
    }
    clients[at].count--;
    if (clients[at].count == 0) {
        close_gap(at);
    }
}

bool descriptors_allow(size_t count, size_t *out_possible) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return false;
    }
    *out_possible = limit.rlim_max;
    if (limit.rlim_cur >= count) {
        return true;
    }
    limit.rlim_cur = count;
    return limit.rlim_max >= count && setrlimit(RLIMIT_NOFILE, &limit) == 0;
}
