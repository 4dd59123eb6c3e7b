// Ends another component, `victim`. Needs init's allow_kill=1.
#include "chaos.h"

#include <inspect.client.h>
#include <needs.h>

int act_kill(void) {
    struct inspect_kill victim = {.name = config_bytes("victim", BYTES("tcpip"))};
    status_t status = inspect_kill_call(need_inspect(), &victim, NSEC_PER_SEC);
    log_warn("kill: %.*s: %s", (int) victim.name.len, (const char *) victim.name.ptr, status_name(status));
    return status == OK ? 0 : 1;
}
