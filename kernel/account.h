// Who pays for kernel memory: one account per process, and one for the kernel itself.
//
// An account outlives its process until everything charged to it is given back.
#pragma once

#include <starina/types.h>

struct account {
    uint64_t used, peak, limit; // bytes
    bool is_closed;             // its process is gone
};

extern struct account kernel_account;

struct account *account_create(uint64_t limit);                   // nullptr when the machine is out of memory
void account_close(struct account *account);                      // the process is gone
status_t account_charge(struct account *account, uint64_t bytes); // ERR_NO_MEMORY
void account_release(struct account *account, uint64_t bytes);
