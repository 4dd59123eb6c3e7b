// The main loop, and what it does with an event: dispatch() is apart, for whoever calls it without this loop.
#include "internal.h"

poll_t main_poll;
bool is_started;
struct component_counters component_counters;

static status_t receive_nothing(void *context, const struct message *message) {
    (void) context;
    (void) message;
    return ERR_NOT_SUPPORTED;
}

const struct protocol plain_protocol = {.name = "plain", .receive = receive_nothing};

// --- Handles in the delivered message ---

void handle_take(handle_t handle) {
    struct message_header *header = &thread_buffer->in.header;
    for (size_t i = 0; i < header->handle_count && i < MESSAGE_HANDLES_MAX; i++) {
        if (header->handles[i] == handle) {
            header->handles[i] = HANDLE_INVALID;
        }
    }
}

// --- Messages ---

// The main loop has its own copy of all that, in which nothing is called, as that would cost it registers.
#define INLINE [[gnu::always_inline]] static inline

INLINE void deliver_request(struct connection *connection, const struct message *message) {
    uint32_t kind = message->header.kind;
    uint32_t generation = connection->generation;
    request_begin(connection, &message->header);
    status_t status = connection->protocol->receive(connection->context, message);
    component_counters.malformed += status == ERR_NOT_SUPPORTED || status == ERR_MALFORMED;
    if (status != OK && (kind & MESSAGE_CLASS_MASK) == MESSAGE_CALL) {
        // No such call in this interface. Known ones were answered, whatever the handler said.
        wire_write(message_out(), kind | MESSAGE_REPLY);
        status = reply_send(status);
    }
    request_end();
    if (status != OK && connection->generation == generation) {
        connection_end(connection);
    }
}

INLINE void deliver(struct connection *connection, struct message *message) {
    if ((message->header.kind & MESSAGE_CLASS_MASK) == MESSAGE_REPLY) {
        call_finish(connection, message);
    } else {
        deliver_request(connection, message);
    }
    message_close_handles(&message->header);
}

static void writable(struct connection *connection) {
    uint32_t generation = connection->generation;
    replies_flush(connection);
    if (connection->generation != generation || connection->first_stored != SLOT_NONE) {
        return;
    }
    if (connection->is_connected) {
        if (component.on_writable != nullptr) {
            component.on_writable(connection->context);
        }
    } else if (connection->on_writable != nullptr) {
        connection->protocol->run_hook(connection->on_writable, connection->context);
    }
}

INLINE void dispatch_connection(const struct event *event) {
    struct message *message = &thread_buffer->in;
    struct connection *connection = connection_at(key_index(event->key), key_generation(event->key));
    if (connection == nullptr) {
        component_counters.stale_events++;
        if (event->kind == EVENT_MESSAGE) {
            message_close_handles(&message->header);
        }
        return;
    }
    switch (event->kind) {
    case EVENT_MESSAGE:
        deliver(connection, message);
        break;
    case EVENT_WRITABLE:
        writable(connection);
        break;
    case EVENT_CLOSED:
        connection_end(connection);
        break;
    default:
        break; // channels have no others
    }
}

INLINE void dispatch_here(const struct event *event) {
    switch (key_source(event->key)) {
    case SOURCE_CONNECTION:
        dispatch_connection(event);
        break;
    case SOURCE_TIMER:
        timers_expire();
        break;
    case SOURCE_WATCH:
        watch_deliver(event);
        break;
    }
}

void dispatch(const struct event *event) {
    dispatch_here(event);
}

// --- Start ---

static status_t start_unsupervised(void) {
    is_started = true;
    return component.start();
}

status_t component_prepare(void) {
    TRY(pools_create());
    TRY(poll_create(&main_poll));
    return component.is_init ? start_unsupervised() : supervisor_connect();
}

[[noreturn]] void component_main(void) {
    status_t status = component_prepare();
    if (status == OK) {
        status = replies_begin();
    }
    if (status != OK) {
        log_error("can't start: %s", status_name(status));
        component_exit(1);
    }
    while (true) {
        status = replies_wait();
        if (status != OK) {
            log_error("can't wait: %s", status_name(status));
            component_exit(1);
        }
        struct event event = thread_buffer->event;
        dispatch_here(&event);
    }
}
