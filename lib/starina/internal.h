// What the framework's own files share. Nothing here is for components.
#pragma once

#include <starina/component.h>
#include <starina/init.h>

// --- Where events come from: what poll_add's key says ---

enum source : uint64_t { SOURCE_CONNECTION = 0, SOURCE_TIMER = 1, SOURCE_WATCH = 2 };

// The generation of the slot makes events of an earlier user of it stale.
static inline uint64_t source_key(enum source source, uint32_t generation, size_t index) {
    return source << 56 | (uint64_t) (generation & 0xffffffff) << 16 | index;
}
static inline enum source key_source(uint64_t key) {
    return (enum source)(key >> 56);
}
static inline uint32_t key_generation(uint64_t key) {
    return (uint32_t) (key >> 16);
}
static inline size_t key_index(uint64_t key) {
    return key & 0xffff;
}

// --- pools.c: fixed memory, all of it taken at the start ---

enum { SLOT_NONE = UINT16_MAX };

// Slots of an array handed out one by one. Those never used before are not touched: their memory costs nothing.
struct slots {
    uint16_t first; // of the range in its array
    uint16_t count;
    uint16_t fresh; // so many were ever used
    uint16_t free;  // head of the list of returned ones, linked in `links`
    uint16_t *links;
};
size_t slots_take(struct slots *slots); // SLOT_NONE when all are taken
void slots_return(struct slots *slots, size_t slot);

struct reply_slot {
    uint16_t next; // in its connection's list of stored replies
    uint16_t connection;
    uint32_t connection_generation;
    uint32_t generation; // of the deferral; 0 for a connection's own slot
    uint32_t transaction;
    bool is_deferred; // promised, not yet answered
    struct message_header header;
    uint8_t data[]; // pools.reply_max bytes
};

struct connection {
    channel_t channel;
    uint32_t generation; // of the slot's use
    bool is_used;
    const struct protocol *protocol;
    void *context;
    hook_t on_closed;
    hook_t on_writable;
    struct slots *slots; // where it returns to
    uint16_t next_by_channel;
    uint16_t next_by_context;
    uint16_t first_stored; // replies that wait for room in the peer's queue
    uint16_t last_stored;
    bool is_paused;       // by the component
    bool has_paused_poll; // what the kernel was told last
    bool is_connected;    // a client whose on_connect succeeded
    bool is_ending;
};

struct pending_call {
    uint16_t connection; // which can't end without ending its calls
    uint16_t generation;
    bool is_pending;
    uint32_t kind;
    deliver_t deliver;
    hook_t done;
    void *context;
};

// What is watched, and so what its hook is.
enum watch_kind : uint8_t {
    WATCH_INTERRUPT, // void hook(void *context)
    WATCH_PROCESS,   // void hook(void *context, uint64_t value)
    WATCH_PAGER,     // none: `source`
};

struct watch {
    handle_t object; // 0: free
    uint32_t generation;
    enum watch_kind kind;
    hook_t handle;
    const struct page_source *source;
    void *context;
};

struct pools {
    struct connection *connections; // clients of the provided interface first: the same index as their state
    uint8_t *clients;
    uint8_t *replies; // each connection's own slot, then the deferred calls'
    struct pending_call *calls;
    struct watch *watches;
    uint16_t *by_channel; // heads of chains, bucket_mask + 1 of them
    uint16_t *by_context;
    uint32_t bucket_mask;
    uint32_t reply_max;
    uint32_t watch_count;
    struct slots client_slots, channel_slots, deferred_slots, call_slots;
};
extern struct pools pools;
status_t pools_create(void);

// --- The rest ---

struct page_source;
struct supervisor_device;
struct supervisor_device_memory;
struct supervisor_device_interrupt;

extern poll_t main_poll;
extern bool is_started; // everything was handed over, and start() succeeded

struct connection *connection_create(struct slots *slots, const struct connection *as); // nullptr: all slots are taken
void connection_forget(struct connection *connection);                                  // undoes that: the channel stays open
status_t connection_watch(struct connection *connection);
void connection_update(struct connection *connection);               // after a change of what it pauses for
struct connection *connection_find(channel_t channel);               // nullptr: not attached
struct connection *connection_at(size_t index, uint32_t generation); // nullptr: it has ended
size_t connection_index(const struct connection *connection);
void connection_end(struct connection *connection);                   // the peer's doing: tells the owner first
void connection_release(struct connection *connection, status_t why); // `why` goes to the calls under way

void client_connected(bytes_t service, channel_t channel); // owns the channel
void client_disconnected(struct connection *connection);
void clients_start(void); // those that came before the component was ready for them
void service_forget(channel_t channel);

status_t component_prepare(void); // everything up to the first event
[[noreturn]] void component_main(void);
void dispatch(const struct event *event);
void message_close_handles(struct message_header *header);

void request_begin(struct connection *connection, const struct message_header *header);
void request_end(void);
status_t replies_begin(void); // before the first replies_wait()
status_t replies_wait(void);  // for the next event, and sends the reply to the last one
void replies_flush(struct connection *connection);
void replies_drop(struct connection *connection);

void call_finish(struct connection *connection, const struct message *message);
void calls_fail(struct connection *connection, status_t status);

void timers_expire(void);
status_t watch_begin(struct watch watch); // ERR_LIMIT: .watches of COMPONENT
void watch_deliver(const struct event *event);
void pager_deliver(pager_t pager, const struct page_source *source, void *context, const struct event *event);

status_t supervisor_connect(void);
void device_set(const struct supervisor_device *event);
void device_set_memory(const struct supervisor_device_memory *event);
void device_set_interrupt(const struct supervisor_device_interrupt *event);
