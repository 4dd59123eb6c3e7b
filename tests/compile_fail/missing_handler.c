// expect: function 'postbox_take' has internal linkage but is not defined
#include <postbox.server.h>

struct client {
    int notes;
};

static status_t postbox_put(struct client *client, const struct postbox_put *request, struct postbox_put_reply *reply) {
    reply->room = (uint32_t) (request->text.len + (size_t) client->notes);
    return OK;
}

COMPONENT(postbox);
