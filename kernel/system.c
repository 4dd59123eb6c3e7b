// System calls about the machine as a whole.
#include "system.h"

#include "interrupt.h"
#include "lock.h"
#include "log.h"
#include "page.h"
#include "scheduler.h"
#include "syscall.h"
#include "trace.h"

static nsec_t booted_ns;
static uint64_t booted_instructions;

bool system_counts_instructions;

static status_t check_resource(struct thread *thread, handle_t resource) {
    struct object *object;
    return handle_get(&thread->process->handles, resource, OBJECT_RESOURCE, 0, &object) == OK ? OK : ERR_BAD_HANDLE;
}

status_t sys_clock_now(struct thread *, uint64_t *out_now) {
    *out_now = arch_clock_now();
    return OK;
}

status_t sys_trace_write(struct thread *, uint32_t event, uint64_t value) {
    trace(TRACE_COMPONENT, event, value);
    return OK;
}

status_t sys_system_info(struct thread *thread, uaddr_t address) {
    struct system_info info = {
        .now_ns = arch_clock_now(),
        .booted_ns = booted_ns,
        .booted_instructions = booted_instructions,
        .memory_total = page_total_bytes,
        .memory_free = page_available_bytes(),
        .kernel_memory = kernel_account.used,
        .cpu_count = cpu_count,
        .interrupts = interrupt_count,
        .context_switches = scheduler_switches,
        .ipis = scheduler_ipis,
        .address_space_switches = scheduler_space_switches,
        .timer_interrupts = interrupt_timer_count,
        .lock_waits = kernel_lock_waits,
        .lock_spins = kernel_lock_spins,
    };
    return syscall_copy_out(thread, address, &info, sizeof(info));
}

status_t sys_system_booted(struct thread *thread, handle_t resource) {
    TRY(check_resource(thread, resource));
    if (booted_ns != 0) {
        return OK;
    }
    booted_ns = arch_clock_now();
    unsigned long ms = booted_ns / NSEC_PER_MSEC, us = booted_ns % NSEC_PER_MSEC / NSEC_PER_USEC;
    if (system_counts_instructions) {
        booted_instructions = arch_ticks() - boot_info.entry_ticks;
        log_print("booted in %lu.%03lu ms, %lu instructions", ms, us, booted_instructions);
    } else {
        log_print("booted in %lu.%03lu ms", ms, us);
    }
    return OK;
}

status_t sys_system_shutdown(struct thread *thread, handle_t resource, uint32_t code) {
    TRY(check_resource(thread, resource));
    log_print("shutting down with code %u", code);
    arch_shutdown(code);
}
