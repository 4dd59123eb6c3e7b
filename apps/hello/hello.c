// hello: says hello and ends. The smallest component.
#include <starina/component.h>

static status_t start(void) {
    log_info("hello from a component");
    log_debug("known here as %s", component_name());
    component_exit(0);
}

COMPONENT(hello, .start = start);
