// That assembly finds things where they are.
#include "x86_64.h"

#include "../../channel.h"
#include "../../cpu.h"
#include "../../poll.h"
#include "../../process.h"
#include "../../thread.h"

#include <starina/syscall_numbers.h>

#define CHECK(type, field, offset) static_assert(offsetof(struct type, field) == (offset))

CHECK(thread, arch, 0);
CHECK(arch_thread, rax, THREAD_RAX);
CHECK(arch_thread, rbx, THREAD_RBX);
CHECK(arch_thread, r8, THREAD_R8);
CHECK(arch_thread, r15, THREAD_R15);
CHECK(arch_thread, rip, THREAD_RIP);
CHECK(arch_thread, rflags, THREAD_RFLAGS);
CHECK(arch_thread, cs, THREAD_CS);
CHECK(arch_thread, ss, THREAD_SS);
CHECK(arch_thread, resume_full, THREAD_RESUME_FULL);
CHECK(thread, counts.ticks, THREAD_TICKS);
CHECK(thread, counts.system_calls, THREAD_SYSTEM_CALLS);
CHECK(thread, counts.copied_bytes, THREAD_COPIED);
CHECK(thread, counts.direct_calls, THREAD_DIRECT_CALLS);
CHECK(thread, counts.upcalls, THREAD_UPCALLS);
CHECK(thread, process, THREAD_PROCESS);
CHECK(thread, level, THREAD_LEVEL);
CHECK(thread, buffer, THREAD_BUFFER);

CHECK(cpu, arch, 0);
CHECK(arch_cpu, self, CPU_SELF);
CHECK(arch_cpu, current, CPU_CURRENT);
CHECK(arch_cpu, kernel_stack_top, CPU_KERNEL_STACK_TOP);
CHECK(arch_cpu, call_limit, CPU_CALL_LIMIT);
CHECK(arch_cpu, must_schedule, CPU_MUST_SCHEDULE);
CHECK(arch_cpu, tlb_requested, CPU_TLB_REQUESTED);
CHECK(arch_cpu, tlb_answered, CPU_TLB_ANSWERED);
CHECK(arch_cpu, control_words, CPU_CONTROL_WORDS);
CHECK(arch_cpu, direct_caller, CPU_DIRECT_CALLER);
CHECK(arch_cpu, direct_begin, CPU_DIRECT_BEGIN);
CHECK(arch_cpu, direct_word, CPU_DIRECT_WORD);
CHECK(arch_cpu, direct_deadline, CPU_DIRECT_DEADLINE);
CHECK(cpu, armed, CPU_ARMED);

CHECK(process, handles.called.handle, PROCESS_CALLED);
CHECK(process, handles.called.object, PROCESS_CALLED_OBJECT);
CHECK(channel, called, CHANNEL_CALLED);
CHECK(channel, called_key, CHANNEL_CALLED_KEY);
CHECK(channel, caller, CHANNEL_CALLER);
CHECK(channel, next_transaction, CHANNEL_TRANSACTION);
CHECK(poll, waiters, POLL_WAITERS);
CHECK(poll, upcall, POLL_UPCALL);
CHECK(thread_buffer, event.kind, BUFFER_EVENT_KIND);
CHECK(thread_buffer, out, BUFFER_OUT);
CHECK(thread_buffer, out.data, BUFFER_OUT_DATA);
CHECK(thread_buffer, in, BUFFER_IN);
CHECK(thread_buffer, in.data, BUFFER_IN_DATA);
CHECK(thread_buffer, reply, BUFFER_REPLY);
CHECK(thread_buffer, reply.data, BUFFER_REPLY_DATA);

static_assert(KERNEL_STACK_SIZE == 0x4000); // boot.S
static_assert(CALL_CHANNEL_CALL == SYS_CHANNEL_CALL && CALL_POLL_WAIT == SYS_POLL_WAIT);
static_assert(CALL_CHANNEL_REPLY_WAIT == SYS_CHANNEL_REPLY_WAIT);
static_assert(MESSAGE_CLASS_BITS == MESSAGE_CLASS_MASK && MESSAGE_CALL == 0);
static_assert(EVENT_OF_UPCALL == EVENT_UPCALL);
