// Where a component begins: the loader has relocated it and filled in the table of kernel calls.
#include "internal.h"

const struct kernel_calls *kernel_calls;
struct thread_buffer *thread_buffer;

// The compiler's stack protector compares against this; another value in every start.
uintptr_t __stack_chk_guard = 0x595e9fbd94fda766;

[[noreturn]] void __stack_chk_fail(void) {
    log_error("stack overrun");
    __builtin_trap();
}

void component_exit(int code) {
    process_exit(code);
}

// Weak: where a host's C library has the program's start, that one is it.
[[noreturn, gnu::weak, gnu::force_align_arg_pointer, gnu::no_stack_protector]] void _start(const struct kernel_calls *calls,
                                                                                           struct thread_buffer *buffer) {
    kernel_calls = calls;
    thread_buffer = buffer;
    uint64_t random;
    if (random_u64(&random) == OK) {
        __stack_chk_guard = random;
    }
    component_main();
}
