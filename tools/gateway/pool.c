// Starts VMs, in advance where asked to, and gives each to one visit only. Trusts visits to end what they took.
#include "pool.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// A taken VM's answer and a replacement's boot would share the CPU: the replacement waits this long for a quiet moment.
enum : uint64_t { REFILL_DELAY_NS = 30 * NSEC_PER_MSEC, REFILL_RETRY_NS = NSEC_PER_SEC };

static struct vm *vms;
static size_t vm_count, warm_wanted;
static struct deadline refill;
static bool is_refill_due;

// Forks need not copy the buffers.
static bool map_buffers(void) {
    size_t size = vm_count * LINK_MEMORY;
    uint8_t *memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return false;
    }
    (void) madvise(memory, size, MADV_DONTFORK);
    for (size_t i = 0; i < vm_count; i++) {
        vms[i].memory = memory + i * LINK_MEMORY;
    }
    return true;
}

bool pool_begin(size_t count, size_t warm) {
    vms = calloc(count, sizeof(*vms));
    vm_count = count;
    warm_wanted = warm;
    is_refill_due = true;
    return vms != nullptr && map_buffers();
}

static bool is_waiting(const struct vm *vm) {
    return vm->visit == nullptr && (vm->state == VM_BOOTING || vm->state == VM_READY);
}

static size_t count_waiting(bool only_ready) {
    size_t count = 0;
    for (size_t i = 0; i < vm_count; i++) {
        count += is_waiting(&vms[i]) && (!only_ready || vms[i].state == VM_READY);
    }
    return count;
}

static bool is_sooner(const struct vm *a, const struct vm *b) {
    return b == nullptr || a->state > b->state || (a->state == b->state && a->started_at_ns < b->started_at_ns);
}

static struct vm *find_soonest(void) {
    struct vm *soonest = nullptr;
    for (size_t i = 0; i < vm_count; i++) {
        if (is_waiting(&vms[i]) && is_sooner(&vms[i], soonest)) {
            soonest = &vms[i];
        }
    }
    return soonest;
}

static struct vm *find_free(void) {
    for (size_t i = 0; i < vm_count; i++) {
        if (vms[i].state == VM_FREE) {
            return &vms[i];
        }
    }
    return nullptr;
}

void pool_on_ready(void) {
    metrics.vms_warm = count_waiting(true);
}

static void on_refill(struct deadline *deadline) {
    (void) deadline;
    is_refill_due = true;
}

static void refill_after(uint64_t delay_ns) {
    is_refill_due = false;
    deadline_set(&refill, clock_now() + delay_ns, on_refill);
}

enum pool_result pool_take(struct vm **out_vm) {
    struct vm *vm = warm_wanted > 0 ? find_soonest() : nullptr;
    if (vm != nullptr) {
        metrics.vms_warm -= vm->state == VM_READY;
        if (is_refill_due) {
            refill_after(REFILL_DELAY_NS);
        }
        *out_vm = vm;
        return POOL_GIVEN;
    }
    *out_vm = find_free();
    if (*out_vm == nullptr) {
        return POOL_EMPTY;
    }
    return vm_start(*out_vm) ? POOL_GIVEN : POOL_CANT_START;
}

static void log_failure(const char *reason, const char *console) {
    struct log_line line;
    log_begin(&line, "warm_failed");
    log_text(&line, "reason", reason);
    log_text(&line, "console", console);
    log_end(&line);
    metrics.warm_failed++;
}

void pool_on_failure(struct vm *vm, enum failure failure) {
    log_failure(failure_name(failure), vm_last_line(vm));
    vm_end(vm);
    metrics.vms_warm = count_waiting(true);
    refill_after(REFILL_RETRY_NS); // what fails at once must not be started in a loop
}

// One per round of events.
void pool_refill(void) {
    if (!is_refill_due || metrics.queue_length > 0 || count_waiting(false) >= warm_wanted) {
        return;
    }
    struct vm *vm = find_free();
    if (vm == nullptr) {
        return; // a VM that ends makes a round
    }
    if (!vm_start(vm)) {
        log_failure(failure_name(FAILED_START), strerror(errno));
        refill_after(REFILL_RETRY_NS);
    } else if (count_waiting(false) < warm_wanted) {
        refill_after(0); // the next round, even if nothing else happens
    }
}

void pool_drain(void) {
    warm_wanted = 0;
    for (size_t i = 0; i < vm_count; i++) {
        if (is_waiting(&vms[i])) {
            vm_end(&vms[i]);
        }
    }
    metrics.vms_warm = 0;
}
