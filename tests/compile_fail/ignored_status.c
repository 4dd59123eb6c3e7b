// expect: ignoring return value of function declared with 'nodiscard' attribute
#include <postbox.client.h>
#include <starina/component.h>

static status_t start(void) {
    struct postbox_put note = {.text = BYTES("hello")};
    struct postbox_put_reply reply;
    postbox_put_call(service_channel("postbox"), &note, &reply, NSEC_PER_SEC);
    return OK;
}

COMPONENT(ignored, .start = start);
