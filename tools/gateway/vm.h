// VMs: from the start of the process until it is gone.
#pragma once

#include "deadlines.h"
#include "link.h"
#include "metrics.h"

#include <sys/types.h>

enum vm_state : uint8_t {
    VM_FREE,
    VM_BOOTING,
    VM_READY,
    VM_ENDING, // killed; it counts until it is gone
};

enum { CONSOLE_LINE_MAX = 240 };

// The last line that was not empty.
struct console {
    char current[CONSOLE_LINE_MAX + 1], last[CONSOLE_LINE_MAX + 1];
    size_t length; // of `current`
};

struct visit;

struct vm {
    enum vm_state state;
    bool is_gone; // reaped
    pid_t pid;
    struct visit *visit; // nullptr: it waits for one
    struct source process, output;
    struct link link;
    struct deadline boot;
    uint64_t started_at_ns;
    uint8_t *memory; // of the link
    struct console console;
};

// Whom a VM's changes concern. A VM that failed has to be ended by on_failed.
struct vm_owner {
    void (*on_ready)(struct vm *vm);
    void (*on_link)(struct vm *vm); // of a VM with a visit: something can be moved
    void (*on_failed)(struct vm *vm, enum failure failure);
    void (*on_gone)(struct vm *vm);
};

void vms_begin(const struct vm_owner *owner, uint64_t boot_timeout_ns);
bool vm_start(struct vm *vm); // false: errno says why, and the VM is free
void vm_end(struct vm *vm);   // kills it
const char *vm_last_line(struct vm *vm);
