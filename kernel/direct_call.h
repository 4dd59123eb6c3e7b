// Calls that run to completion: between components in kernel isolation, on the caller's CPU, without a switch of threads
// (arch/x86_64/direct_call.S, docs/decisions/direct-calls.md).
#pragma once

#include "cpu.h"

// Makes an ordinary call of the one that is under way directly on a CPU: its caller blocks, and the thread that took the
// message runs. Who takes the kernel lock while there is one does this first.
void direct_call_settle(struct cpu *cpu);
