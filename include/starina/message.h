// What travels through a channel, and the per-thread buffer through which it enters and leaves the kernel.
//
// A thread writes the message it sends into `out` of its buffer; the kernel writes what it received into `in` (an
// event) or `reply`. The buffer is one page that both sides always have mapped, so sending copies no user pointer and
// can't fault. The kernel reads every field of it once: another thread of the component may scribble on it.
#pragma once

#include <starina/types.h>

enum { MESSAGE_DATA_MAX = 1024, MESSAGE_HANDLES_MAX = 4 };

// `kind` is made by the interface compiler: interface << 16 | message << 2 | enum message_class.
enum message_class : uint32_t {
    MESSAGE_CALL = 0,  // wants a reply with the same transaction
    MESSAGE_REPLY = 1, // `status` says how it went
    MESSAGE_SEND = 2,  // client to server, no reply
    MESSAGE_EVENT = 3, // server to client, no reply
};
enum : uint32_t { MESSAGE_CLASS_MASK = 3 };

struct message_header {
    uint32_t kind;
    uint32_t transaction; // chosen by the caller, echoed in the reply. Top bit set: chosen by the kernel for channel_call
    int32_t status;       // replies only; an error has no data
    uint16_t length;      // bytes of data used
    uint16_t handle_count;
    handle_t handles[MESSAGE_HANDLES_MAX]; // they move: on success the sender has none of them any more
};
enum : uint32_t { TRANSACTION_KERNEL = 1u << 31 };

struct message {
    struct message_header header;
    alignas(8) uint8_t data[MESSAGE_DATA_MAX];
};

// What poll_wait found.
enum event_kind : uint32_t {
    EVENT_MESSAGE = 1,     // a channel: the message is in `in`
    EVENT_CLOSED = 2,      // a channel: the peer is gone and every message before that was delivered
    EVENT_WRITABLE = 3,    // a channel: there is room again after ERR_FULL, or the peer is gone: send again, and see
    EVENT_TIMER = 4,       // value: how often it expired
    EVENT_INTERRUPT = 5,   // value: how often since the last one
    EVENT_EXIT = 6,        // a process: value is its enum exit_reason
    EVENT_PAGE_NEEDED = 7, // a pager: somebody waits for the page at offset `value`, and may want `size` bytes
    EVENT_PAGE_DIRTY = 8,  // a pager: `size` bytes from offset `value` on were written; told once until pager_write_begin
    EVENT_UPCALL = 9, // none: the poll's upcall took a message, which is answered if it returned true but not yet replied to
};

struct event {
    uint64_t key; // as given to poll_add
    enum event_kind kind;
    uint32_t reserved;
    uint64_t value;
    uint64_t size; // EVENT_PAGE_*: bytes, whole pages
};

// One page. Its address is given to the thread in its start registers.
struct thread_buffer {
    struct event event;
    struct message out;
    struct message in;
    struct message reply;
};
static_assert(sizeof(struct thread_buffer) <= 4096);
