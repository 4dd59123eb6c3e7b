// The big kernel lock: taken at every kernel entry and released on the way out.
#pragma once

#include <starina/types.h>

void kernel_lock(void);
void kernel_unlock(void);

extern uint64_t kernel_lock_waits, kernel_lock_spins; // since boot; guarded by it
