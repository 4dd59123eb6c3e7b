// That direct_call.S finds things where they are.
#include "offsets.h"

#include "../../channel.h"
#include "../../cpu.h"
#include "../../poll.h"
#include "../../process.h"
#include "../../thread.h"

#define CHECK(type, field, offset) static_assert(offsetof(struct type, field) == (offset))

CHECK(thread, counts.ticks, THREAD_TICKS);
CHECK(thread, counts.system_calls, THREAD_SYSTEM_CALLS);
CHECK(thread, counts.copied_bytes, THREAD_COPIED);
CHECK(thread, counts.direct_calls, THREAD_DIRECT_CALLS);
CHECK(thread, counts.upcalls, THREAD_UPCALLS);
CHECK(thread, process, THREAD_PROCESS);
CHECK(thread, buffer, THREAD_BUFFER);
CHECK(process, handles.called.handle, PROCESS_CALLED);
CHECK(process, handles.called.object, PROCESS_CALLED_OBJECT);
CHECK(channel, peer, CHANNEL_PEER);
CHECK(channel, watch.key, CHANNEL_KEY);
CHECK(channel, called, CHANNEL_CALLED);
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
CHECK(arch_cpu, control_words, CPU_CONTROL_WORDS);
CHECK(arch_cpu, direct_caller, CPU_DIRECT_CALLER);
CHECK(arch_cpu, direct_begin, CPU_DIRECT_BEGIN);
CHECK(arch_cpu, direct_word, CPU_DIRECT_WORD);
CHECK(arch_cpu, direct_deadline, CPU_DIRECT_DEADLINE);
CHECK(cpu, armed, CPU_ARMED);
static_assert(MESSAGE_CLASS_BITS == MESSAGE_CLASS_MASK && MESSAGE_CALL == 0);
static_assert(EVENT_OF_UPCALL == EVENT_UPCALL);
