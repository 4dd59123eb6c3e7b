// What a VM's process may do, set between fork and exec.
#pragma once

#include <stdint.h>

// False: errno says why. Holds for this process and all that it starts.
bool sandbox_enter(uint64_t memory_bytes);
