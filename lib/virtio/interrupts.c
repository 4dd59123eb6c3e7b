// Brings a virtio device's interrupts to its driver.
#include <virtio/virtio.h>

// The device first, which lowers the line, or that would interrupt once more; both before the work: what the device does from
// here on interrupts again.
static void handle(void *context) {
    const struct virtio_vector *vector = context;
    struct virtio_device *device = vector->device;
    uint32_t cause = device->transport->get_cause != nullptr ? device->transport->get_cause(device) : vector->cause;
    if (interrupt_acknowledge(vector->interrupt) != OK) {
        log_error("can't acknowledge an interrupt");
    }
    if (cause != 0) {
        device->on_interrupt(device->context, cause);
    }
}

status_t virtio_listen(struct virtio_device *device, void (*on_cause)(void *context, uint32_t causes), void *context) {
    device->on_interrupt = on_cause;
    device->context = context;
    for (unsigned i = 0; i < device->vector_count; i++) {
        struct virtio_vector *vector = &device->vectors[i];
        vector->device = device;
        TRY(on_interrupt(vector->interrupt, handle, vector));
        TRY(interrupt_acknowledge(vector->interrupt)); // the first one enables it
    }
    return OK;
}
