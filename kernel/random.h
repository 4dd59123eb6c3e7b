// The kernel's cryptographic random number generator.
#pragma once

#include <stdint.h>

void random_init(void); // seeds it from the hardware
uint64_t random_next(void);
