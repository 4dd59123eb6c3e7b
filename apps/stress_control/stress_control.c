// stress_control: connects the workers of the SMP stress in a graph, kills one of its victims every so often, and checks
// the books when the time is over.
//
// Configuration: seconds, kill_every_ms (0: nobody is killed). Needs init's allow_kill=1.
#include "books.h"
#include "memory.h"

#include <inspect.client.h>
#include <needs.h>
#include <stress.server.h>

enum { SECONDS_DEFAULT = 10, KILL_EVERY_DEFAULT_MS = 50 };
enum : uint32_t { EDGE_SIZE = 2048 };
enum : nsec_t {
    PATIENCE = 10 * NSEC_PER_SEC,
    CALM = NSEC_PER_SEC / 2, // until what was to be done in the background has been
    LOOK_EVERY = 50 * NSEC_PER_MSEC,
    END_WITHIN = 60 * NSEC_PER_SEC,
};

struct client {
    uint32_t number;
    bool has_joined;
    char name[NAME_MAX_LENGTH + 1];
};

static folio_t ledger_folio;
static struct ledger *ledger;
static struct client *workers[WORKERS]; // nullptr: not there
static uint32_t lives[WORKERS];
static uint32_t kills;
static uint32_t gatherings; // how often all were there before it began
static nsec_t next_kill, over_since;
static struct memory memory_before;
static struct timer phase_timer, kill_timer;

static bool all_are_there(void) {
    for (size_t i = 0; i < WORKERS; i++) {
        if (workers[i] == nullptr) {
            return false;
        }
    }
    return true;
}

// --- Edges ---

// A worker that ends meanwhile gets them anew when it is back.
static void connect(uint32_t edge) {
    const struct client *caller = workers[edge_caller(edge)], *server = workers[edge_server(edge)];
    uint64_t ends;
    if (caller == nullptr || server == nullptr) {
        return;
    }
    status_t status = channel_create(EDGE_SIZE, &ends);
    if (status != OK) {
        log_error("edge %u can't be made: %s", edge, status_name(status));
        return;
    }
    struct stress_server_end server_end = {edge, {(handle_t) ends}};
    struct stress_client_end client_end = {edge, {(handle_t) (ends >> 32)}};
    if (stress_server_end_send(client_channel(server), &server_end) != OK) {
        (void) handle_close(server_end.channel.handle);
    }
    if (stress_client_end_send(client_channel(caller), &client_end) != OK) {
        (void) handle_close(client_end.channel.handle);
    }
}

static void connect_all_of(uint32_t worker) {
    for (uint32_t edge = 0; edge < EDGES; edge++) {
        if (edge_caller(edge) == worker || edge_server(edge) == worker) {
            connect(edge);
        }
    }
}

// --- Killing ---

static void kill_worker(uint64_t number) {
    struct client **victim = &workers[number];
    struct inspect_kill request = {bytes_from_string((*victim)->name)};
    *victim = nullptr;
    status_t status = inspect_kill_call(need_inspect(), &request, PATIENCE);
    if (status != OK) {
        log_error("%.*s can't be killed: %s", (int) request.name.len, (const char *) request.name.ptr, status_name(status));
    }
    kills += status == OK;
}

// Any that is not on its way back.
static void kill_one(void) {
    uint64_t choice = 0;
    if (random_u64(&choice) != OK) {
        log_error("no random numbers");
    }
    for (size_t i = 0; i < VICTIMS; i++) {
        uint64_t number = SURVIVORS + (choice + i) % VICTIMS;
        if (workers[number] != nullptr) {
            kill_worker(number);
            return;
        }
    }
}

static void on_kill(void *) {
    if (ledger->state != LEDGER_RUNNING) {
        return;
    }
    kill_one();
    nsec_t now = clock_ns();
    next_kill += config_u64("kill_every_ms", KILL_EVERY_DEFAULT_MS) * NSEC_PER_MSEC;
    timer_start(&kill_timer, next_kill > now ? next_kill - now : 0, on_kill, nullptr);
}

// --- Phases ---

static void judge(void *) {
    uint32_t deaths[WORKERS], restarts = 0;
    for (size_t i = 0; i < WORKERS; i++) {
        deaths[i] = lives[i] - 1;
        restarts += deaths[i];
    }
    struct memory memory_after = {};
    bool is_right = all_are_there() && memory_measure(&memory_after) == OK;
    is_right &= books_check(ledger, deaths);
    is_right &= memory_check(&memory_before, &memory_after);
    log_info("workers: %u killed, %u restarted", kills, restarts);
    if (is_right && kills == restarts) {
        log_info("every reply is accounted for");
    } else {
        log_error("something was lost");
    }
}

static void await_end(void *) {
    if (!(all_are_there() && books_are_closed(ledger)) && clock_ns() - over_since < END_WITHIN) {
        timer_start(&phase_timer, LOOK_EVERY, await_end, nullptr);
    } else {
        timer_start(&phase_timer, CALM, judge, nullptr);
    }
}

static void end(void *) {
    ledger->state = LEDGER_OVER;
    over_since = clock_ns();
    await_end(nullptr);
}

static void begin(void *) {
    if (memory_measure(&memory_before) != OK) {
        log_error("memory can't be measured");
    }
    ledger->state = LEDGER_RUNNING;
    for (size_t i = 0; i < WORKERS; i++) {
        if (workers[i] == nullptr || stress_go_send(client_channel(workers[i])) != OK) {
            log_error("worker %zu does not begin", i);
        }
    }
    timer_start(&phase_timer, config_u64("seconds", SECONDS_DEFAULT) * NSEC_PER_SEC, end, nullptr);
    if (config_u64("kill_every_ms", KILL_EVERY_DEFAULT_MS) != 0) {
        next_kill = clock_ns();
        on_kill(nullptr);
    }
}

// What init makes at its first restarts stays with it, and is no loss.
static void kill_all(void *) {
    for (size_t i = 0; i < VICTIMS; i++) {
        kill_worker(SURVIVORS + i);
    }
}

// --- Workers ---

static status_t stress_join(struct client *client, const struct stress_join *request, struct stress_join_reply *reply) {
    if (request->number >= WORKERS || client->has_joined) {
        return ERR_NOT_FOUND;
    }
    TRY(bytes_to_string(client->name, sizeof(client->name), request->name));
    TRY(handle_duplicate(ledger_folio.handle, RIGHT_READ | RIGHT_WRITE | RIGHT_TRANSFER, &reply->ledger.handle));
    client->number = request->number;
    client->has_joined = true;
    books_settle(ledger, request->number, clock_ns());
    workers[request->number] = client;
    lives[request->number]++;
    connect_all_of(request->number);
    if (ledger->state == LEDGER_WAITING && all_are_there()) {
        timer_start(&phase_timer, CALM, gatherings++ == 0 ? kill_all : begin, nullptr);
    }
    return OK;
}

static void on_disconnect(struct client *client) {
    if (client->has_joined && workers[client->number] == client) {
        workers[client->number] = nullptr;
    }
}

static status_t start(void) {
    uint64_t address;
    TRY(folio_create(LEDGER_SIZE, 0, &ledger_folio));
    TRY(vmspace_map(ledger_folio, 0, LEDGER_SIZE, MAP_READ | MAP_WRITE, &address));
    ledger = (struct ledger *) (uintptr_t) address;
    return OK;
}

COMPONENT(stress_control, .clients = 2 * WORKERS, .start = start, .on_disconnect = on_disconnect);
