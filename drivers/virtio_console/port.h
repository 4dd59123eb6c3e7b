// One byte stream to the host: a port of a virtio console device (virtio 1.2 §5.3).
//
// The device is checked by lib/virtio; what it sends on the control queue, here.
#pragma once

#include <driver/dma.h>
#include <virtio/virtio.h>

enum {
    PORT_RECEIVE_BUFFERS = 4,
    PORT_SEND_BUFFERS = 8,
    PORT_BUFFER_SIZE = 4096,
    PORT_QUEUE_SIZE = 8, // entries of each queue
};

struct port {
    struct virtio_device device;
    struct virtqueue control_receive, control_send, receive, send;
    struct dma memory; // the rings, then the control messages, then the buffers
    uint32_t id;
    bool is_known; // the device has told of the port
    bool is_open;  // and the host has its end open

    // Of the buffer that port_received gave: the rest is taken next time.
    bool has_received;
    uint32_t received_buffer;
    bytes_t received;

    uint32_t free_send[PORT_SEND_BUFFERS]; // a stack of buffers
    size_t free_send_count;
    bool is_filling; // the buffer that port_send_buffer gave; not among the free ones
    uint32_t filling;
};

// Starts the port's device, which is open, and opens its first port that is no console. ERR_NOT_SUPPORTED: it has none;
// ERR_IO: the device broke the rules
status_t port_start(const struct device *found, struct port *port);

// Handles what the device has to say on the control queue and takes back buffers that were sent. ERR_IO
status_t port_run(struct port *port);

// What came and was not yet consumed; empty: nothing did. ERR_IO
status_t port_received(struct port *port, bytes_t *out_bytes);
void port_consume(struct port *port, size_t count);

// A buffer of PORT_BUFFER_SIZE, the same until it is sent; nullptr: the host takes no more now.
uint8_t *port_send_buffer(struct port *port);
void port_send(struct port *port, size_t size);

// All that was sent has been taken by the host.
static inline bool port_is_drained(const struct port *port) {
    return port->send.in_flight == 0;
}

// Shows the device what was sent and given back, and asks for an interrupt when bytes come (`wants_bytes`) or a buffer is
// free (`wants_room`). False: that is so already.
bool port_rest(struct port *port, bool wants_bytes, bool wants_room);
