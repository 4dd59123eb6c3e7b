// echo: sends back what it gets. The smallest server.
//
// Clients are not trusted, and need not be: whatever they send is bytes.
#include <echo.server.h>

// Nothing is kept between two requests.
struct client {
    uint8_t unused;
};

static status_t echo_echo(struct client *client, const struct echo_echo *request, struct echo_echo_reply *reply) {
    (void) client;
    reply->data = request->data;
    return OK;
}

COMPONENT(echo, .clients = 8);
