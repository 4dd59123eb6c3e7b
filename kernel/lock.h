// The big kernel lock: taken at every kernel entry and released on the way out.
#pragma once

#include <starina/types.h>

void kernel_lock(void);
void kernel_unlock(void);
bool kernel_lock_is_wanted(void); // by a CPU that has waited for long
void kernel_lock_yield(void);     // lets those go first: the lock is given up and taken again

extern uint64_t kernel_lock_waits, kernel_lock_spins; // since boot; guarded by it
