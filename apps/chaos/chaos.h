// The ways to misbehave. Each returns only if it was allowed to go on; what it tells then is the component's exit code.
#pragma once

#include <starina/component.h>

typedef int (*act_t)(void);

// faults.c: ended by the kernel
int act_null_read(void);
int act_wild_write(void);
int act_divide(void);
int act_illegal(void);
int act_loop(void);
int act_recurse(void);
int act_big_frame(void);

// hoarding.c: stopped by a limit
int act_allocate(void);
int act_handles(void);
int act_reserve(void);

// messages.c: stopped by the server or by its own queue
int act_flood(void);
int act_garbage(void);

// system_calls.c: answered with errors
int act_syscalls(void);

// spawn.c: refused
int act_spawn(void);

// vanish.c: nothing of it goes on
int act_vanish(void);

// unstack.c: ended by the kernel
int act_unstack(void);

// limbo.c: ended by the kernel
int act_limbo(void);

// visit.c: no harm at all
int act_visit(void);

// kill.c: refused unless init allows it
int act_kill(void);

// random.c: repeatable, from the configuration's `seed`
uint64_t random_next(void);
