// Types that the kernel and every component share: errors, handles, rights, byte strings.
//
// Part of the ABI: numbers never change their meaning.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a function that can fail returns. Must be looked at: TRY() passes it up.
enum [[nodiscard]] status : int32_t {
    OK = 0,
    PENDING = 1,               // a handler's answer: the reply follows later
    ERR_INVALID_ARGUMENT = -1, // a value that is never legal here
    ERR_BAD_HANDLE = -2,       // no such handle (never existed, or closed)
    ERR_WRONG_TYPE = -3,       // the handle names another kind of object
    ERR_DENIED = -4,           // the handle lacks the right
    ERR_BAD_ADDRESS = -5,      // the memory is not the caller's
    ERR_NO_MEMORY = -6,        // the caller's memory limit or the machine's memory is used up
    ERR_NO_HANDLES = -7,       // the handle table is full
    ERR_TOO_LARGE = -8,        // longer than the limit
    ERR_FULL = -9,             // the queue has no room now; try again when it is writable
    ERR_EMPTY = -10,           // nothing there
    ERR_CLOSED = -11,          // the peer has closed or died
    ERR_TIMED_OUT = -12,
    ERR_BUSY = -13,
    ERR_NOT_FOUND = -14,
    ERR_EXISTS = -15,
    ERR_NOT_SUPPORTED = -16,
    ERR_MALFORMED = -17, // bytes that are not what the protocol says
    ERR_STATE = -18,     // legal, but not now
    ERR_IO = -19,        // the device failed
    ERR_CANCELLED = -20,
    ERR_REFUSED = -21,     // the remote host refused
    ERR_UNREACHABLE = -22, // no route, no link
    ERR_LIMIT = -23,       // a declared limit (clients, connections) is reached
};
typedef enum status status_t;

// Passes an error up to the caller.
#define TRY(expression)                      \
    do {                                     \
        status_t try_status_ = (expression); \
        if (try_status_ != OK) {             \
            return try_status_;              \
        }                                    \
    } while (0)

// A handle: index and generation in the process's table. 0 is never valid.
typedef uint32_t handle_t;
enum : handle_t { HANDLE_INVALID = 0 };

// One-field structs, so that the compiler tells the objects apart.
// clang-format off
typedef struct { handle_t handle; } channel_t;
typedef struct { handle_t handle; } poll_t;
typedef struct { handle_t handle; } folio_t;
typedef struct { handle_t handle; } vmspace_t;
typedef struct { handle_t handle; } process_t;
typedef struct { handle_t handle; } thread_t;
typedef struct { handle_t handle; } ktimer_t; // "timer_t" is POSIX's
typedef struct { handle_t handle; } interrupt_t;
typedef struct { handle_t handle; } pager_t;
typedef struct { handle_t handle; } resource_t; // authority to make device folios and interrupts
// clang-format on

// Rights of a handle. A duplicate never has more than its original.
enum : uint32_t {
    RIGHT_READ = 1 << 0,     // map readable, read
    RIGHT_WRITE = 1 << 1,    // map writable, send, set, start
    RIGHT_EXECUTE = 1 << 2,  // map executable, load as a component
    RIGHT_WAIT = 1 << 3,     // add to a poll
    RIGHT_TRANSFER = 1 << 4, // move in a message
    RIGHT_DUPLICATE = 1 << 5,
    RIGHT_DMA = 1 << 6,    // learn the physical address
    RIGHT_MANAGE = 1 << 7, // kill, inspect
    RIGHTS_ALL = 0xff,
};

// Nanoseconds of the monotonic clock, which starts at boot. Deadlines are absolute.
typedef uint64_t nsec_t;
enum : uint64_t { DEADLINE_NEVER = UINT64_MAX, NSEC_PER_SEC = 1000000000, NSEC_PER_MSEC = 1000000, NSEC_PER_USEC = 1000 };

// A byte string that somebody else owns.
typedef struct {
    const uint8_t *ptr;
    size_t len;
} bytes_t;

enum : uint64_t { PAGE_SIZE = 4096 };
