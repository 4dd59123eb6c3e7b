// postbox: keeps one short note per client and hands it back once.
//
// Clients are not trusted: a bad request costs its sender an error, nothing else.
#include "postbox.server.h"

enum { NOTE_MAX = 256 };

// One per connection; zeroed on connect, freed on disconnect by the framework.
struct client {
    uint8_t note[NOTE_MAX];
    size_t len; // 0 means empty
};

// `req->text` is lent for this call only, so it is copied.
static status_t postbox_put(struct client *c, const struct postbox_put *req, struct postbox_put_reply *reply) {
    if (c->len != 0) {
        return ERR_BUSY;
    }
    TRY(bytes_store(c->note, sizeof(c->note), req->text, &c->len));
    reply->room = NOTE_MAX - (uint32_t) c->len;
    return OK;
}

// The reply is sent before the next request can overwrite the note.
static status_t postbox_take(struct client *c, struct postbox_take_reply *reply) {
    if (c->len == 0) {
        return ERR_EMPTY;
    }
    reply->text = (bytes_t) {c->note, c->len};
    c->len = 0;
    return OK;
}

COMPONENT(postbox, .clients = 32);
