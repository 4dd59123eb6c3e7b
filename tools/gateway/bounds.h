// Counts visits per client address, and the descriptors that this process may need.
#pragma once

#include <stddef.h>
#include <stdint.h>

bool clients_begin(size_t visits_max); // false: no memory
uint32_t clients_count(uint32_t address);
void clients_add(uint32_t address); // at most `visits_max` times more often than removed
void clients_remove(uint32_t address);

// Raises RLIMIT_NOFILE. False: the system does not let us; *out_possible says how many it grants.
bool descriptors_allow(size_t count, size_t *out_possible);
