// expect: cannot assign to variable 'request' with const-qualified type
#include <postbox.server.h>

struct client {
    int notes;
};

static status_t postbox_put(struct client *client, const struct postbox_put *request, struct postbox_put_reply *reply) {
    request->text.len = 0;
    reply->room = (uint32_t) client->notes;
    return OK;
}
