// Admits visitors, gives each a VM, and ends both together. Trusts neither clients nor VMs.
#include "visit.h"

#include "bounds.h"
#include "clock.h"
#include "pool.h"
#include "relay.h"

#include <errno.h>
#include <stdlib.h>

static const struct options *options;
static struct visit *visits, *free_visits;
static struct visit *first_waiting, **last_link = &first_waiting;
static size_t visit_count;
static bool refuses_all;

bool visits_begin(const struct options *from) {
    options = from;
    size_t capacity = from->vms + from->queue;
    visits = calloc(capacity, sizeof(*visits));
    for (size_t i = 0; visits != nullptr && i < capacity; i++) {
        visits[i].next = free_visits;
        free_visits = &visits[i];
    }
    return visits != nullptr && clients_begin(capacity);
}

size_t visits_count(void) {
    return visit_count;
}

// --- End ---

static void leave_queue(struct visit *visit) {
    struct visit **link = &first_waiting;
    while (*link != visit) {
        link = &(*link)->next;
    }
    *link = visit->next;
    last_link = visit->next == nullptr ? link : last_link;
    metrics.queue_length--;
}

int visit_release(struct visit *visit) {
    int descriptor = source_release(&visit->client);
    deadline_clear(&visit->deadline);
    clients_remove(visit->address.sin_addr.s_addr);
    if (visit->state == VISIT_WAITING) {
        leave_queue(visit);
    } else {
        metrics.visits_active--;
    }
    struct vm *vm = visit->vm;
    *visit = (struct visit) {.next = free_visits};
    free_visits = visit;
    visit_count--;
    if (vm != nullptr) {
        vm_end(vm);
    }
    return descriptor;
}

// --- With a VM ---

static void on_deadline(struct deadline *deadline);

// While the VM boots, it alone is waited for.
static uint64_t idle_at(const struct visit *visit) {
    return visit->vm->state == VM_READY ? visit->last_byte_at_ns + options->idle_timeout_ms * NSEC_PER_MSEC : UINT64_MAX;
}

static void set_deadline(struct visit *visit) {
    uint64_t total = visit->began_at_ns + options->total_timeout_ms * NSEC_PER_MSEC;
    uint64_t idle = idle_at(visit);
    deadline_set(&visit->deadline, idle < total ? idle : total, on_deadline);
}

// Bytes do not move the deadline, to be cheap: what is due may have been put off meanwhile.
static void on_deadline(struct deadline *deadline) {
    struct visit *visit = OWNER(deadline, struct visit, deadline);
    uint64_t now = clock_now();
    if (now >= visit->began_at_ns + options->total_timeout_ms * NSEC_PER_MSEC) {
        visit_end_failed(visit, FAILED_TOTAL_TIMEOUT);
    } else if (now < idle_at(visit)) {
        set_deadline(visit);
    } else if (visit->bytes_in == 0 && visit->bytes_out == 0) {
        visit_end_silent(visit);
    } else {
        visit_end_failed(visit, FAILED_IDLE_TIMEOUT);
    }
}

static void join(struct visit *visit, struct vm *vm) {
    visit->vm = vm;
    visit->state = VISIT_JOINED;
    visit->joined_at_ns = visit->last_byte_at_ns = clock_now();
    vm->visit = visit;
    metrics.visits_active++;
    set_deadline(visit);
    relay_begin(visit);
    relay(visit);
}

static void on_vm_ready(struct vm *vm) {
    if (vm->visit == nullptr) {
        pool_on_ready();
        return;
    }
    vm->visit->last_byte_at_ns = clock_now();
    set_deadline(vm->visit);
}

static void on_vm_link(struct vm *vm) {
    relay(vm->visit);
}

static void on_vm_failed(struct vm *vm, enum failure failure) {
    if (vm->visit != nullptr) {
        visit_end_failed(vm->visit, failure);
    } else {
        pool_on_failure(vm, failure);
    }
}

// --- The queue ---

static void on_wait_over(struct deadline *deadline) {
    visit_end_refused(OWNER(deadline, struct visit, deadline), REFUSED_QUEUE_WAIT);
}

static void wait_in_queue(struct visit *visit) {
    *last_link = visit;
    last_link = &visit->next;
    metrics.queue_length++;
    deadline_set(&visit->deadline, visit->began_at_ns + options->queue_wait_ms * NSEC_PER_MSEC, on_wait_over);
}

// A VM is gone: its place is for whoever waits the longest. If none can be started now, nobody waits for that in vain.
static void on_vm_gone(struct vm *gone) {
    (void) gone;
    struct vm *vm;
    while (first_waiting != nullptr) {
        struct visit *visit = first_waiting;
        enum pool_result result = pool_take(&vm);
        if (result == POOL_EMPTY) {
            return;
        }
        if (result == POOL_CANT_START) {
            visit_end_failed(visit, FAILED_START);
        } else {
            leave_queue(visit);
            join(visit, vm);
        }
    }
}

const struct vm_owner visits_vm_owner = {on_vm_ready, on_vm_link, on_vm_failed, on_vm_gone};

// --- Beginning ---

static void on_client(struct source *source, uint32_t events) {
    struct visit *visit = OWNER(source, struct visit, client);
    if ((events & (EPOLLHUP | EPOLLERR)) != 0) { // both ways are closed, and we closed none
        visit_end_left(visit);
    } else if (visit->state == VISIT_JOINED) {
        relay(visit);
    }
}

static struct visit *admit(int descriptor, const struct sockaddr_in *address) {
    struct visit *visit = free_visits;
    free_visits = visit->next;
    uint64_t now = clock_now();
    *visit = (struct visit) {.state = VISIT_WAITING, .number = metrics.visits, .address = *address, .began_at_ns = now};
    visit_count++;
    clients_add(address->sin_addr.s_addr);
    (void) source_open(&visit->client, descriptor, 0, on_client); // unwatched, it ends by a deadline
    return visit;
}

// The queue is in order: nobody is given a VM while others wait.
static void seat(struct visit *visit) {
    struct vm *vm;
    enum pool_result result = first_waiting == nullptr ? pool_take(&vm) : POOL_EMPTY;
    if (result == POOL_GIVEN) {
        join(visit, vm);
        return;
    }
    int error = errno;
    wait_in_queue(visit);
    errno = error;
    if (result == POOL_CANT_START) {
        visit_end_failed(visit, FAILED_START);
    } else if (metrics.queue_length > options->queue) {
        visit_end_refused(visit, REFUSED_QUEUE_FULL);
    }
}

void visit_begin(int descriptor, const struct sockaddr_in *address) {
    uint64_t number = ++metrics.visits;
    if (refuses_all) {
        visit_refuse_at_once(descriptor, number, address, REFUSED_DRAINING);
    } else if (clients_count(address->sin_addr.s_addr) >= options->per_client) {
        visit_refuse_at_once(descriptor, number, address, REFUSED_PER_CLIENT);
    } else if (free_visits == nullptr) {
        visit_refuse_at_once(descriptor, number, address, REFUSED_QUEUE_FULL);
    } else {
        seat(admit(descriptor, address));
    }
}

void visits_refuse_more(void) {
    refuses_all = true;
}

void visits_end_all(void) {
    for (size_t i = 0; i < options->vms + options->queue; i++) {
        struct visit *visit = &visits[i];
        if (visit->state == VISIT_WAITING) {
            visit_end_refused(visit, REFUSED_DRAINING);
        } else if (visit->state == VISIT_JOINED) {
            visit_end_failed(visit, FAILED_DRAIN_TIMEOUT);
        }
    }
}
