// Abuses the channel to the TCP/IP server: more messages than it can take, and messages that mean nothing.
#include "chaos.h"

#include <needs.h>
#include <network.h>

enum { FLOOD_COUNT = 200000, GARBAGE_COUNT = 100000 };

struct tally {
    unsigned sent, refused;
    status_t last; // error
};

static void count(struct tally *tally, status_t status) {
    if (status == OK) {
        tally->sent++;
    } else {
        tally->refused++;
        tally->last = status;
    }
}

static void tell(const struct tally *tally) {
    log_warn("%u messages sent, %u refused, the last with %s", tally->sent, tally->refused, status_name(tally->last));
}

// Calls whose replies are never read.
int act_flood(void) {
    struct tally tally = {};
    uint64_t wanted = config_u64("count", FLOOD_COUNT);
    for (uint64_t i = 0; i < wanted && tally.last != ERR_CLOSED; i++) {
        status_t status = network_status_encode(message_out());
        count(&tally, status == OK ? channel_send(need_network()) : status);
    }
    tell(&tally);
    return 0;
}

// Half of them claim to be messages of the interface.
static void fill_with_garbage(struct message *message) {
    uint64_t random = random_next();
    message->header.kind = random & 1 ? NETWORK_STATUS ^ (uint32_t) (random >> 32 & 0xff) : (uint32_t) (random >> 32);
    message->header.transaction = (uint32_t) random_next();
    message->header.status = (int32_t) random_next();
    message->header.length = (uint16_t) (random_next() % (MESSAGE_DATA_MAX + 1));
    message->header.handle_count = 0;
    for (size_t i = 0; i + sizeof(random) <= message->header.length; i += sizeof(random)) {
        random = random_next();
        __builtin_memcpy(message->data + i, &random, sizeof(random));
    }
}

int act_garbage(void) {
    struct tally tally = {};
    uint64_t wanted = config_u64("count", GARBAGE_COUNT);
    for (uint64_t i = 0; i < wanted && tally.last != ERR_CLOSED; i++) {
        fill_with_garbage(message_out());
        count(&tally, channel_send(need_network()));
    }
    tell(&tally);
    return 0;
}
