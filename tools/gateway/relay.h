// Moves a visit's bytes both ways, as far as both ends take them.
#pragma once

#include "visit.h"

void relay_begin(struct visit *visit); // its VM learns who came
void relay(struct visit *visit);       // the visit may be gone afterwards
