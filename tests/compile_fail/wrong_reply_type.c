// expect: conflicting types for 'postbox_put'
#include <postbox.server.h>

struct client {
    int notes;
};

static status_t postbox_put(struct client *client, const struct postbox_put *request, struct postbox_take_reply *reply) {
    reply->text = request->text;
    client->notes++;
    return OK;
}

static status_t postbox_take(struct client *client, struct postbox_take_reply *reply) {
    reply->text = BYTES("");
    client->notes--;
    return OK;
}

COMPONENT(postbox);
