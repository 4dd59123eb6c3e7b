// The big kernel lock: taken at every kernel entry and released on the way out.
#pragma once

void kernel_lock(void);
void kernel_unlock(void);
