// stress: a worker of the SMP stress. Has a call under way on each of its edges all the time, answers those who call it, and
// for some of them waits for an answer from a third.
//
// It may be killed at any instruction; what it did until then is in the ledger.
#include "ledger.h"

#include <needs.h>

struct control {
    uint8_t unused;
};
#define STRESS_PEER struct control
#include <stress.client.h>

struct caller;
#define STRESS_EDGE_PEER struct caller
#include <stress_edge.client.h>

struct served;
#define STRESS_EDGE_CLIENT struct served
#include <stress_edge.server.h>

enum : nsec_t { PATIENCE = 20 * NSEC_PER_SEC };
enum { HOPS = 3, HANDLE_CHANNEL_SIZE = 2048 };

// An edge on which this worker calls.
struct caller {
    uint32_t number;
    channel_t channel; // HANDLE_INVALID: the server has ended
    channel_t next;    // of the server's next life, until the end of this one was noticed
    bool is_closed;    // so that its end is about to be
    uint64_t begun;    // number of the call that was begun
};

// An edge on which this worker is called.
struct served {
    uint32_t number;
    channel_t channel;
};

static uint32_t own_number;
static struct ledger *ledger;
static struct control control;
static struct caller callers[EDGES_EACH];
static struct served served[EDGES_EACH];
static uint8_t padding[STRESS_EDGE_ANSWER_PADDING_MAX];

// --- The books ---

static struct edge *edge_of(uint32_t number) {
    return &ledger->edges[number];
}

static uint64_t note_sent(const struct caller *caller, enum manner manner) {
    struct edge *edge = edge_of(caller->number);
    edge->begun_ns[manner] = clock_ns();
    return ++edge->sent;
}

static void note_end(struct caller *caller, enum manner manner, status_t status, bool is_right) {
    struct edge *edge = edge_of(caller->number);
    if (status == OK && is_right) {
        edge->answered++;
    } else if (status == ERR_CLOSED) {
        edge->closed++;
        caller->is_closed = true;
    } else {
        edge->failed++;
        log_error("edge %u: %s", caller->number, status == OK ? "the answer to another call" : status_name(status));
    }
    edge->begun_ns[manner] = 0;
    ledger->strays += component_counters.malformed;
    component_counters.malformed = 0;
}

static void note_served(uint32_t number, uint64_t call) {
    struct edge *edge = edge_of(number);
    edge->repeated += call <= edge->last;
    edge->unknown += call > edge->sent;
    edge->last = call;
    edge->served++;
}

// --- Calling ---

static bool can_call(const struct caller *caller) {
    return ledger->state == LEDGER_RUNNING && caller->channel.handle != HANDLE_INVALID && !caller->is_closed;
}

static struct stress_edge_answer question(uint64_t number, uint32_t hops) {
    uint64_t length = number * 37 % sizeof(padding);
    return (struct stress_edge_answer) {number, hops, {padding, number % 2 == 0 ? length : 0}};
}

static void begin(struct caller *caller);

static void on_answer(void *context, status_t status, const struct stress_edge_answer_reply *reply) {
    struct caller *caller = context;
    note_end(caller, MANNER_BEGIN, status, status == OK && reply->proof == proof_of(caller->number, caller->begun));
    begin(caller);
}

static void begin(struct caller *caller) {
    if (!can_call(caller) || edge_of(caller->number)->begun_ns[MANNER_BEGIN] != 0) {
        return;
    }
    caller->begun = note_sent(caller, MANNER_BEGIN);
    struct stress_edge_answer request = question(caller->begun, caller->begun % HOPS);
    status_t status = stress_edge_answer_begin(caller->channel, &request, on_answer, caller);
    if (status != OK) {
        note_end(caller, MANNER_BEGIN, status, false);
    }
}

// Without a deadline, the calls between components in kernel isolation run to completion from the first one on.
static void ask_and_wait(struct caller *caller, uint32_t hops) {
    uint64_t number = note_sent(caller, MANNER_WAIT);
    struct stress_edge_answer request = question(number, hops);
    struct stress_edge_answer_reply reply = {};
    status_t status = stress_edge_answer_call(caller->channel, &request, &reply, number % 2 == 0 ? PATIENCE : DEADLINE_NEVER);
    note_end(caller, MANNER_WAIT, status, reply.proof == proof_of(caller->number, number));
}

// The handle is one end of a channel. If it does not come back it went down with the server.
static void exchange_and_wait(struct caller *caller) {
    uint64_t ends;
    if (channel_create(HANDLE_CHANNEL_SIZE, &ends) != OK) {
        log_error("no channel can be made: handles or memory were lost");
        edge_of(caller->number)->failed++;
        return;
    }
    uint64_t number = note_sent(caller, MANNER_WAIT);
    struct stress_edge_exchange request = {number, {(handle_t) ends}};
    struct stress_edge_exchange_reply reply = {};
    status_t status = stress_edge_exchange_call(caller->channel, &request, &reply, PATIENCE);
    note_end(caller, MANNER_WAIT, status, reply.proof == proof_of(caller->number, number));
    (void) handle_close(status == OK ? reply.handle.handle : request.handle.handle); // the latter has gone if it was sent
    (void) handle_close((handle_t) (ends >> 32));
}

// Only workers behind this one are waited for, so that no two wait for each other.
static void ask_a_third(uint64_t choice, uint32_t hops) {
    struct caller *caller = &callers[choice % EDGES_EACH];
    if (!can_call(caller) || edge_server(caller->number) < own_number) {
        return;
    }
    if (choice / EDGES_EACH % 4 == 0) {
        exchange_and_wait(caller);
    } else {
        ask_and_wait(caller, hops - 1);
    }
}

// --- Being called ---

static status_t stress_edge_answer(struct served *client, const struct stress_edge_answer *request,
                                   struct stress_edge_answer_reply *reply) {
    note_served(client->number, request->number);
    if (request->hops != 0) {
        ask_a_third(request->number, request->hops);
    }
    reply->proof = proof_of(client->number, request->number);
    return OK;
}

static status_t stress_edge_exchange(struct served *client, const struct stress_edge_exchange *request,
                                     struct stress_edge_exchange_reply *reply) {
    note_served(client->number, request->number);
    reply->proof = proof_of(client->number, request->number);
    reply->handle = channel_take(&request->handle);
    return OK;
}

// --- Edges that come and go ---

static void on_caller_ended(struct served *client) {
    client->channel = (channel_t) {HANDLE_INVALID};
}

static void stress_on_server_end(struct control *, const struct stress_server_end *event) {
    struct served *client = &served[event->edge % EDGES_EACH];
    if (client->channel.handle != HANDLE_INVALID) {
        (void) channel_detach(client->channel); // an earlier life's, whose end is still to be noticed
    }
    *client = (struct served) {event->edge, channel_take(&event->channel)};
    if (stress_edge_serve(client->channel, client, on_caller_ended, nullptr) != OK) {
        log_error("edge %u can't be served", event->edge);
    }
}

static void use(struct caller *caller, channel_t channel) {
    caller->channel = channel;
    caller->is_closed = false;
    if (stress_edge_attach(channel, caller) != OK) {
        log_error("edge %u can't be used", caller->number);
    }
    begin(caller);
}

static void stress_on_client_end(struct control *, const struct stress_client_end *event) {
    struct caller *caller = &callers[event->edge % EDGES_EACH];
    caller->number = event->edge;
    channel_t channel = channel_take(&event->channel);
    if (caller->channel.handle == HANDLE_INVALID) {
        use(caller, channel);
        return;
    }
    if (caller->next.handle != HANDLE_INVALID) {
        (void) handle_close(caller->next.handle);
    }
    caller->next = channel;
}

static void stress_edge_on_closed(struct caller *caller) {
    (void) channel_detach(caller->channel);
    caller->channel = (channel_t) {HANDLE_INVALID};
    if (caller->next.handle != HANDLE_INVALID) {
        channel_t next = caller->next;
        caller->next = (channel_t) {HANDLE_INVALID};
        use(caller, next);
    }
}

static void stress_edge_on_writable(struct caller *) {
}

static void stress_on_go(struct control *) {
    for (size_t i = 0; i < EDGES_EACH; i++) {
        begin(&callers[i]);
    }
}

static void stress_on_closed(struct control *) {
    component_exit(1);
}

static void stress_on_writable(struct control *) {
}

static status_t start(void) {
    own_number = (uint32_t) config_u64("number", WORKERS);
    struct stress_join request = {own_number, bytes_from_string(component_name())};
    struct stress_join_reply reply;
    uint64_t address;
    TRY(stress_join_call(need_stress(), &request, &reply, PATIENCE));
    TRY(vmspace_map(reply.ledger, 0, LEDGER_SIZE, MAP_READ | MAP_WRITE, &address));
    ledger = (struct ledger *) (uintptr_t) address;
    return stress_attach(need_stress(), &control);
}

COMPONENT(stress, .start = start, .reply_max = STRESS_EDGE_REPLY_MAX);
