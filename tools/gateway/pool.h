// The pool: all VMs, and those among them that wait for a visitor.
#pragma once

#include "vm.h"

enum pool_result { POOL_GIVEN, POOL_EMPTY, POOL_CANT_START };

bool pool_begin(size_t vms, size_t warm);       // false: no memory
enum pool_result pool_take(struct vm **out_vm); // the one that is ready the soonest; set its visit
void pool_refill(void);                         // after everything else: starting VMs for later must not delay anyone now
void pool_on_failure(struct vm *vm, enum failure failure); // of a VM without visit
void pool_on_ready(void);
void pool_drain(void); // ends those that wait; no more of them are started
