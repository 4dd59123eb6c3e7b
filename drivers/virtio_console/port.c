// Brings the device up, agrees with it on the port, and moves buffers.
#include "port.h"

enum : uint64_t { FEATURE_MULTIPORT = 1ull << 1 }; // §5.3.3
// §5.3.2: those of the port number 0, a console by tradition, come first and stay unused.
enum : uint16_t { QUEUE_CONTROL_RECEIVE = 2, QUEUE_CONTROL_SEND = 3, QUEUE_RECEIVE = 4, QUEUE_SEND = 5 };
enum : uint32_t { PORT_ID = 1 }; // which has the queues 4 and 5

// §5.3.6.2
enum : uint16_t { DEVICE_READY = 0, PORT_ADD = 1, PORT_REMOVE = 2, PORT_READY = 3, PORT_OPEN = 6 };
struct control {
    uint32_t id;
    uint16_t event;
    uint16_t value;
};
enum { CONTROL_SIZE = 64, CONTROL_BUFFERS = PORT_QUEUE_SIZE }; // a PORT_NAME brings its name

enum : size_t { QUEUES = 4 };

// --- The shared memory ---

static size_t ring_bytes(void) {
    return virtqueue_bytes(PORT_QUEUE_SIZE);
}

static size_t control_at(unsigned index) {
    return QUEUES * ring_bytes() + index * CONTROL_SIZE;
}

// The control messages that are received, then those that are sent, share what is left of the rings' last page.
static size_t buffer_at(uint32_t index) {
    size_t controls_end = control_at(2 * CONTROL_BUFFERS);
    return (controls_end + PORT_BUFFER_SIZE - 1) / PORT_BUFFER_SIZE * PORT_BUFFER_SIZE + (size_t) index * PORT_BUFFER_SIZE;
}

static status_t start_queue(struct port *port, unsigned place, uint16_t index, struct virtqueue *queue) {
    size_t at = place * ring_bytes();
    if (virtio_queue_size(&port->device, index, PORT_QUEUE_SIZE) != PORT_QUEUE_SIZE) {
        return ERR_NOT_SUPPORTED;
    }
    TRY(virtqueue_begin(queue, PORT_QUEUE_SIZE, port->memory.memory + at, port->memory.address + at, false));
    virtqueue_disarm(queue);
    return virtio_queue_start(&port->device, index, queue);
}

static status_t start_queues(struct port *port) {
    TRY(start_queue(port, 0, QUEUE_CONTROL_RECEIVE, &port->control_receive));
    TRY(start_queue(port, 1, QUEUE_CONTROL_SEND, &port->control_send));
    TRY(start_queue(port, 2, QUEUE_RECEIVE, &port->receive));
    return start_queue(port, 3, QUEUE_SEND, &port->send);
}

static status_t give(struct port *port, struct virtqueue *queue, size_t at, uint32_t size, bool is_for_device_to_write,
                     uint32_t token) {
    struct virtqueue_segment segment = {port->memory.address + at, size, is_for_device_to_write};
    return virtqueue_add(queue, &segment, 1, token);
}

static status_t give_receive_buffers(struct port *port) {
    for (uint32_t i = 0; i < CONTROL_BUFFERS; i++) {
        TRY(give(port, &port->control_receive, control_at(i), CONTROL_SIZE, true, i));
    }
    for (uint32_t i = 0; i < PORT_RECEIVE_BUFFERS; i++) {
        TRY(give(port, &port->receive, buffer_at(i), PORT_BUFFER_SIZE, true, i));
    }
    return OK;
}

static void publish(struct port *port, struct virtqueue *queue, uint16_t index) {
    if (virtqueue_publish(queue)) {
        virtio_notify(&port->device, index);
    }
}

// --- Control messages ---

// The device takes them while it is notified: then none is under way, or it is broken.
static status_t send_control(struct port *port, uint32_t id, uint16_t event, uint16_t value) {
    struct virtqueue_done done;
    while (virtqueue_take(&port->control_send, &done) == OK) {
    }
    if (port->control_send.in_flight > 0) {
        return ERR_IO;
    }
    uint32_t slot = port->control_send.next_available % CONTROL_BUFFERS;
    size_t at = control_at(CONTROL_BUFFERS + slot);
    const struct control message = {id, event, value};
    TRY(mem_copy(port->memory.memory + at, CONTROL_SIZE, &message, sizeof(message)));
    TRY(give(port, &port->control_send, at, sizeof(message), false, slot));
    publish(port, &port->control_send, QUEUE_CONTROL_SEND);
    return OK;
}

static status_t on_control(struct port *port, const struct control *message) {
    if (message->id != PORT_ID) {
        return OK;
    }
    switch (message->event) {
    case PORT_ADD:
        if (port->is_known) {
            return OK;
        }
        port->is_known = true;
        TRY(send_control(port, PORT_ID, PORT_READY, 1));
        return send_control(port, PORT_ID, PORT_OPEN, 1);
    case PORT_OPEN:
        port->is_open = message->value != 0;
        return OK;
    case PORT_REMOVE:
        port->is_open = port->is_known = false;
        return OK;
    default:
        return OK; // its name, or what only consoles have
    }
}

static status_t take_controls(struct port *port) {
    struct virtqueue_done done;
    status_t status;
    while ((status = virtqueue_take(&port->control_receive, &done)) == OK) {
        struct control message = {};
        if (done.length >= sizeof(message)) {
            TRY(mem_copy(&message, sizeof(message), port->memory.memory + control_at(done.token), sizeof(message)));
            TRY(on_control(port, &message));
        }
        TRY(give(port, &port->control_receive, control_at(done.token), CONTROL_SIZE, true, done.token));
    }
    return status == ERR_EMPTY ? OK : status;
}

// --- Start ---

status_t port_start(const struct device *found, struct port *port) {
    TRY(virtio_negotiate(&port->device, FEATURE_MULTIPORT));
    if (!virtio_has(&port->device, FEATURE_MULTIPORT)) {
        return ERR_NOT_SUPPORTED;
    }
    TRY(dma_create(found, buffer_at(PORT_RECEIVE_BUFFERS + PORT_SEND_BUFFERS), &port->memory));
    TRY(start_queues(port));
    TRY(give_receive_buffers(port));
    for (uint32_t i = 0; i < PORT_SEND_BUFFERS; i++) {
        port->free_send[port->free_send_count++] = PORT_RECEIVE_BUFFERS + i;
    }
    virtio_start(&port->device);
    publish(port, &port->control_receive, QUEUE_CONTROL_RECEIVE);
    publish(port, &port->receive, QUEUE_RECEIVE);
    TRY(send_control(port, 0, DEVICE_READY, 1));
    return port_run(port);
}

// --- Bytes ---

static status_t take_sent(struct port *port) {
    struct virtqueue_done done;
    status_t status;
    while ((status = virtqueue_take(&port->send, &done)) == OK) {
        port->free_send[port->free_send_count++] = done.token;
    }
    return status == ERR_EMPTY ? OK : status;
}

status_t port_run(struct port *port) {
    virtqueue_disarm(&port->control_receive);
    virtqueue_disarm(&port->receive);
    virtqueue_disarm(&port->send);
    TRY(take_controls(port));
    return take_sent(port);
}

status_t port_received(struct port *port, bytes_t *out_bytes) {
    while (!port->has_received) {
        struct virtqueue_done done;
        status_t status = virtqueue_take(&port->receive, &done);
        if (status != OK) {
            *out_bytes = (bytes_t) {};
            return status == ERR_EMPTY ? OK : status;
        }
        port->has_received = true;
        port->received_buffer = done.token;
        port->received = (bytes_t) {port->memory.memory + buffer_at(done.token), done.length};
        port_consume(port, 0); // an empty one goes back at once
    }
    *out_bytes = port->received;
    return OK;
}

void port_consume(struct port *port, size_t count) {
    port->received = (bytes_t) {port->received.ptr + count, port->received.len - count};
    if (port->received.len > 0) {
        return;
    }
    port->has_received = false;
    if (give(port, &port->receive, buffer_at(port->received_buffer), PORT_BUFFER_SIZE, true, port->received_buffer) != OK) {
        log_error("a receive buffer can't be given back");
    }
}

uint8_t *port_send_buffer(struct port *port) {
    if (!port->is_filling && port->free_send_count == 0) {
        return nullptr;
    }
    if (!port->is_filling) {
        port->filling = port->free_send[--port->free_send_count];
        port->is_filling = true;
    }
    return port->memory.memory + buffer_at(port->filling);
}

void port_send(struct port *port, size_t size) {
    port->is_filling = false;
    if (give(port, &port->send, buffer_at(port->filling), (uint32_t) size, false, port->filling) != OK) {
        log_error("a buffer can't be sent");
    }
}

bool port_rest(struct port *port, bool wants_bytes, bool wants_room) {
    publish(port, &port->control_receive, QUEUE_CONTROL_RECEIVE);
    publish(port, &port->receive, QUEUE_RECEIVE);
    publish(port, &port->send, QUEUE_SEND);
    bool is_quiet = virtqueue_arm(&port->control_receive, 1);
    if (wants_bytes) {
        is_quiet &= !port->has_received && virtqueue_arm(&port->receive, 1);
    }
    if (wants_room && !port_is_drained(port)) {
        is_quiet &= virtqueue_arm(&port->send, 1);
    }
    return is_quiet;
}
