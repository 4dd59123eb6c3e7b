// Boots, watches and ends VMs. Trusts no VM: what it says is checked, and what it prints is cut to a line.
#include "vm.h"

#include "clock.h"
#include "log.h"
#include "process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONSOLE_PART = 4096, CONSOLE_PARTS_MAX = 16 };

static const struct vm_owner *owner;
static uint64_t boot_timeout_ns;

void vms_begin(const struct vm_owner *whom, uint64_t timeout_ns) {
    owner = whom;
    boot_timeout_ns = timeout_ns;
}

// --- Console ---

static void console_add(struct console *console, char character) {
    bool ends = character == '\n' || character == '\r';
    if (!ends && console->length < CONSOLE_LINE_MAX) {
        console->current[console->length++] = character == '\0' ? ' ' : character;
    }
    if (ends && console->length > 0) {
        memcpy(console->last, console->current, console->length);
        console->last[console->length] = '\0';
        console->length = 0;
    }
}

// False: nothing more comes.
static bool console_read(struct vm *vm) {
    char part[CONSOLE_PART];
    ssize_t count = read(vm->output.descriptor, part, sizeof(part));
    for (ssize_t i = 0; i < count; i++) {
        console_add(&vm->console, part[i]);
    }
    return count > 0 || (count < 0 && errno == EAGAIN);
}

// What is there by now, but not for ever if it writes faster than we read.
static void console_read_all(struct vm *vm) {
    for (int i = 0; i < CONSOLE_PARTS_MAX && vm->output.is_open && console_read(vm); i++) {
    }
}

const char *vm_last_line(struct vm *vm) {
    console_read_all(vm);
    console_add(&vm->console, '\n');
    return vm->console.last;
}

static void on_output(struct source *source, uint32_t events) {
    (void) events;
    struct vm *vm = OWNER(source, struct vm, output);
    if (!console_read(vm)) {
        source_close(source);
    }
}

// --- Boot ---

static void on_boot_timeout(struct deadline *deadline) {
    owner->on_failed(OWNER(deadline, struct vm, boot), FAILED_BOOT_TIMEOUT);
}

static void become_ready(struct vm *vm) {
    vm->state = VM_READY;
    deadline_clear(&vm->boot);
    metrics_add_boot(clock_now() - vm->started_at_ns);
    owner->on_ready(vm);
}

// Reads READY, which comes first. A VM that waits for its visitor says nothing more.
static void read_alone(struct vm *vm) {
    enum link_result result = link_receive(&vm->link);
    if (result == LINK_WAITS) {
        return;
    }
    if (result == LINK_ENDED) {
        owner->on_failed(vm, FAILED_VM_ENDED);
        return;
    }
    switch (record_next(&vm->link.parser, &vm->link.down)) {
    case RECORD_NEEDS_MORE:
        break;
    case RECORD_IS_READY:
        become_ready(vm);
        break;
    default:
        owner->on_failed(vm, FAILED_RECORDS);
        break;
    }
}

static void on_link(struct source *source, uint32_t events) {
    struct vm *vm = OWNER(source, struct vm, link.source);
    link_note(&vm->link, events);
    if (vm->state == VM_BOOTING || vm->visit == nullptr) {
        do {
            read_alone(vm);
        } while (vm->state == VM_BOOTING && vm->link.is_hung_up); // no event comes any more
    }
    if (vm->state != VM_ENDING && vm->state != VM_FREE && vm->visit != nullptr) {
        owner->on_link(vm);
    }
}

// --- End ---

static void log_status(struct vm *vm, const siginfo_t *info) {
    if (info->si_code == CLD_EXITED && info->si_status == 0) {
        return;
    }
    struct log_line line;
    log_begin(&line, "vm_exited");
    log_number(&line, "pid", (uint64_t) vm->pid);
    log_number(&line, info->si_code == CLD_EXITED ? "code" : "signal", (uint64_t) info->si_status);
    log_text(&line, "console", vm_last_line(vm));
    log_end(&line);
}

static void free_if_over(struct vm *vm) {
    if (vm->state == VM_ENDING && vm->is_gone) {
        source_close(&vm->output);
        vm->state = VM_FREE;
        metrics.vms--;
        owner->on_gone(vm);
    }
}

static void on_process(struct source *source, uint32_t events) {
    (void) events;
    struct vm *vm = OWNER(source, struct vm, process);
    siginfo_t info = {};
    process_kill(vm->pid); // what it started must not outlive it
    if (waitid(P_PID, (id_t) vm->pid, &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0) {
        return;
    }
    if (vm->state != VM_ENDING || vm->link.is_hung_up) { // it was not we who ended it
        log_status(vm, &info);
    }
    source_close(source);
    vm->is_gone = true;
    free_if_over(vm);
}

void vm_end(struct vm *vm) {
    if (!vm->is_gone) {
        process_kill(vm->pid);
    }
    deadline_clear(&vm->boot);
    link_close(&vm->link);
    vm->visit = nullptr;
    vm->state = VM_ENDING;
    free_if_over(vm);
}

// --- Start ---

static bool watch(struct vm *vm, const struct process *process) {
    bool is_linked = link_open(&vm->link, process->link, vm->memory, on_link);
    bool is_waited_for = source_open(&vm->process, process->handle, EPOLLIN, on_process);
    return source_open(&vm->output, process->console, EPOLLIN, on_output) && is_linked && is_waited_for;
}

static void abandon(struct vm *vm) {
    int error = errno;
    process_kill(vm->pid);
    waitid(P_PID, (id_t) vm->pid, &(siginfo_t) {}, WEXITED);
    link_close(&vm->link);
    source_close(&vm->process);
    source_close(&vm->output);
    errno = error;
}

bool vm_start(struct vm *vm) {
    struct process process;
    uint64_t now = clock_now();
    if (!process_start(&process)) {
        return false;
    }
    *vm = (struct vm) {.pid = process.pid, .started_at_ns = now, .memory = vm->memory};
    if (!watch(vm, &process)) {
        abandon(vm);
        return false;
    }
    vm->state = VM_BOOTING;
    metrics.vms++;
    deadline_set(&vm->boot, now + boot_timeout_ns, on_boot_timeout);
    return true;
}
