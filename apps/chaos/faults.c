// Faults of the CPU and of the stack, and a loop without an end. In assembly where C would leave the compiler a choice.
#include "chaos.h"

enum { FRAME_SIZE = 256, BIG_FRAME_SIZE = 1 << 20 };   // the latter is more than the stack
enum : uint64_t { WILD_ADDRESS = 0xffffffff80100000 }; // the kernel's image

[[gnu::noinline]] int act_null_read(void) {
    uint64_t value = 0;
    __asm__ volatile("movq (%1), %0" : "=r"(value) : "r"(0ull) : "memory");
    return (int) value;
}

[[gnu::noinline]] int act_wild_write(void) {
    uint64_t address = config_u64("address", WILD_ADDRESS);
    __asm__ volatile("movq %0, (%1)" : : "r"(random_next()), "r"(address) : "memory");
    return 0;
}

[[gnu::noinline]] int act_divide(void) {
    uint32_t quotient = 1, rest = 0;
    __asm__ volatile("divl %2" : "+a"(quotient), "+d"(rest) : "r"(0));
    return (int) quotient;
}

[[gnu::noinline]] int act_illegal(void) {
    __asm__ volatile("ud2");
    return 0;
}

[[gnu::noinline]] int act_loop(void) {
    while (true) {
        __asm__ volatile("");
    }
}

[[gnu::noinline]] static int recurse(int depth) {
    volatile uint8_t frame[FRAME_SIZE];
    frame[0] = (uint8_t) depth;
    if (depth == INT32_MAX) {
        return 0; // far beyond any stack
    }
    int deeper = recurse(depth + 1);
    return deeper + frame[0]; // so that it is no jump
}

[[gnu::noinline]] int act_big_frame(void) {
    uint8_t frame[BIG_FRAME_SIZE];
    __asm__ volatile("movb $1, (%0)" : : "r"(frame) : "memory");
    return frame[0];
}

int act_recurse(void) {
    return recurse(0);
}
