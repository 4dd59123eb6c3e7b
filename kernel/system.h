// What the machine as a whole is told at its start.
#pragma once

extern bool system_counts_instructions; // the time-stamp counter does: QEMU's `-icount shift=0`
