// chaos: misbehaves in one way. `act` names it; `after_ms` is how long it behaves first.
#include "chaos.h"

enum { AFTER_DEFAULT_MS = 100 };

static int act_exit(void) {
    return 1;
}

static const struct {
    bytes_t name;
    act_t run;
} acts[] = {
    {BYTES("null_read"), act_null_read}, {BYTES("wild_write"), act_wild_write},
    {BYTES("divide"), act_divide},       {BYTES("illegal"), act_illegal},
    {BYTES("loop"), act_loop},           {BYTES("recurse"), act_recurse},
    {BYTES("allocate"), act_allocate},   {BYTES("handles"), act_handles},
    {BYTES("flood"), act_flood},         {BYTES("garbage"), act_garbage},
    {BYTES("syscalls"), act_syscalls},   {BYTES("exit"), act_exit},
    {BYTES("big_frame"), act_big_frame}, {BYTES("kill"), act_kill},
    {BYTES("spawn"), act_spawn},         {BYTES("visit"), act_visit},
    {BYTES("vanish"), act_vanish},       {BYTES("reserve"), act_reserve},
    {BYTES("limbo"), act_limbo},         {BYTES("unstack"), act_unstack},
};

static struct timer timer;

static void act(void *context) {
    act_t run = (act_t) context;
    component_exit(run());
}

static status_t start(void) {
    bytes_t wanted = config_bytes("act", BYTES("none"));
    for (size_t i = 0; i < sizeof(acts) / sizeof(*acts); i++) {
        if (bytes_equal(acts[i].name, wanted)) {
            log_warn("act: %.*s", (int) wanted.len, (const char *) wanted.ptr);
            timer_start(&timer, config_u64("after_ms", AFTER_DEFAULT_MS) * NSEC_PER_MSEC, act, (void *) acts[i].run);
            return OK;
        }
    }
    log_info("behaves: no act named %.*s", (int) wanted.len, (const char *) wanted.ptr);
    return OK;
}

COMPONENT(chaos, .start = start);
