// Calls that run to completion: what they leave to be done if they do not, and where they may begin.
//
// While one is under way nobody has the kernel lock, and nothing says so but the lock's word and the CPU's arch.direct_*:
// its caller still counts as running and the thread that took the message as waiting.
#include "direct_call.h"

#include "channel.h"
#include "scheduler.h"
#include "syscall.h"
#include "vmspace.h"

// --- Where they may begin ---

static void set_upcall(struct poll *poll, vaddr_t function) {
    poll->upcall = function;
    LIST_FOR_EACH(node, &poll->watches) {
        struct watch *watch = LIST_CONTAINER(node, struct watch, node);
        if (watch->source->type == OBJECT_CHANNEL) {
            channel_poll_changed((struct channel *) watch->source);
        }
    }
}

status_t sys_poll_set_upcall(struct thread *thread, handle_t handle, uint64_t function) {
    struct object *object;
    TRY(handle_get(&thread->process->handles, handle, OBJECT_POLL, RIGHT_WRITE, &object));
    const struct vmspace *space = thread->process->space;
    if (function != 0 && !vmspace_covers(space, function, 1)) {
        return ERR_INVALID_ARGUMENT;
    }
    set_upcall((struct poll *) object, space->is_user ? 0 : function); // user mode is not called
    return OK;
}

// Upcalls have the ABI's control words, so a thread with its own is not to be called.
void kernel_on_modes(struct thread *thread) {
    if (thread->wait_poll != nullptr && thread->wait_poll->upcall != 0) {
        set_upcall(thread->wait_poll, 0);
    }
}

// --- When they become ordinary ones ---

// Time up to the call is the caller's, and from there on the other one's. Another CPU's counter may be a little behind.
static void charge(const struct cpu *cpu, struct thread *caller, struct thread *called) {
    uint64_t now = arch_ticks();
    int32_t elapsed = (int32_t) ((uint32_t) now - cpu->arch.direct_begin);
    uint64_t begin = now - (uint64_t) (int64_t) elapsed;
    caller->counts.ticks += begin;
    called->counts.ticks -= begin;
}

// The call is the one by the handle that its component remembers as called.
static void block_caller(struct thread *caller) {
    struct channel *channel = (struct channel *) caller->process->handles.called.object;
    channel->caller = caller;
    (void) channel_name_call(channel, caller->buffer->out.header.kind & ~MESSAGE_CLASS_MASK);
    caller->call_channel = channel;
    caller->counts.system_calls++;
    caller->counts.messages_sent++;
    arch_thread_leave_in_call(&caller->arch);
}

void direct_call_settle(struct cpu *cpu) {
    struct thread *caller = cpu->arch.direct_caller, *called = cpu->arch.current;
    charge(cpu, caller, called);
    block_caller(caller);
    poll_forget_waiter(called);
    timeout_stop(&called->timeout);
    called->counts.messages_received++;
    scheduler_switched(cpu, caller, called, cpu->arch.direct_deadline);
}
