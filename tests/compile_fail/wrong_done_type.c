// expect: incompatible function pointer types
#include <postbox.client.h>

static void on_done(void *context, status_t status, const struct postbox_take_reply *reply) {
    (void) context;
    (void) status;
    (void) reply;
}

status_t put(channel_t channel, const struct postbox_put *note) {
    return postbox_put_begin(channel, note, on_done, nullptr);
}
