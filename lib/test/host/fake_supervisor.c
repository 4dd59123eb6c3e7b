// The supervisor's part, for tests of components on the fake kernel.
#include "fake_supervisor.h"

#include <supervisor.h>

status_t component_prepare(void);

// The tests' own messages are right by construction.
static void must(status_t status) {
    if (status != OK) {
        abort();
    }
}

void fake_prepare(void) {
    fake_kernel_reset();
    must(component_prepare());
}

void fake_give(const struct message *event) {
    fake_send(fake_bootstrap(), event);
}

void fake_start(const char *name, const char *config) {
    struct message message;
    struct supervisor_start event = {.name = bytes_from_string(name), .config = bytes_from_string(config)};
    must(supervisor_start_encode(&event, &message));
    fake_give(&message);
    fake_run();
}

channel_t fake_client(const char *service) {
    channel_t theirs, ours;
    fake_channel_pair(&theirs, &ours);
    struct message message;
    struct supervisor_connect event = {.service = bytes_from_string(service), .channel = theirs};
    must(supervisor_connect_encode(&event, &message));
    fake_give(&message);
    fake_run();
    return ours;
}

channel_t fake_service(const char *name) {
    channel_t theirs, ours;
    fake_channel_pair(&theirs, &ours);
    struct message message;
    struct supervisor_service event = {.service = bytes_from_string(name), .channel = theirs};
    must(supervisor_service_encode(&event, &message));
    fake_give(&message);
    fake_run();
    return ours;
}

bool fake_is_ready(void) {
    struct message message;
    return fake_receive(fake_bootstrap(), &message) && message.header.kind == SUPERVISOR_READY;
}
