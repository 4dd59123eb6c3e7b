// Vector registers: every thread finds its own after it was preempted, by threads of its component and of another one.
//
// Two instances of this component run at once, one in each isolation mode, so user and kernel mode preempt each other.
#include "conformance.h"

enum { REGISTERS = 16, WIDTH = 32, THREADS = 3, ROUNDS = 12 };
enum : uint64_t { SPINS = 1000000, SPIN_LIMIT_NS = 30ull * NSEC_PER_SEC };
enum : uint32_t { CPUID_1_XSAVE_ENABLED = 1u << 27, CPUID_1_AVX = 1u << 28, XCR0_SSE_AND_AVX = 6 }; // Intel SDM vol. 1 §14.3

struct vectors {
    alignas(WIDTH) uint8_t bytes[REGISTERS][WIDTH];
};

static bool has_avx(void) {
    uint32_t eax = 1, ebx, ecx = 0, edx;
    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    if ((ecx & CPUID_1_XSAVE_ENABLED) == 0 || (ecx & CPUID_1_AVX) == 0) {
        return false;
    }
    __asm__("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return (eax & XCR0_SSE_AND_AVX) == XCR0_SSE_AND_AVX;
}

#define EACH_REGISTER(do) \
    do                    \
    (0) do(1) do(2) do(3) do(4) do(5) do(6) do(7) do(8) do(9) do(10) do(11) do(12) do(13) do(14) do(15)
#define LOAD_XMM(n) "movaps " #n "*32(%[in]), %%xmm" #n "\n"
#define STORE_XMM(n) "movaps %%xmm" #n ", " #n "*32(%[out])\n"
#define LOAD_YMM(n) "vmovaps " #n "*32(%[in]), %%ymm" #n "\n"
#define STORE_YMM(n) "vmovaps %%ymm" #n ", " #n "*32(%[out])\n"
#define SPIN "1: dec %[spins]\njnz 1b\n"
#define CLOBBERED                                                                                                              \
    "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", \
        "xmm13", "xmm14", "xmm15"

// Fills the registers, computes for a while without touching them, and writes down what they hold then.
static void hold_xmm(const struct vectors *in, struct vectors *out, uint64_t spins) {
    __asm__ volatile(EACH_REGISTER(LOAD_XMM) SPIN EACH_REGISTER(STORE_XMM)
                     : [spins] "+r"(spins)
                     : [in] "r"(in), [out] "r"(out)
                     : CLOBBERED);
}

static void hold_ymm(const struct vectors *in, struct vectors *out, uint64_t spins) {
    __asm__ volatile(EACH_REGISTER(LOAD_YMM) SPIN EACH_REGISTER(STORE_YMM) "vzeroupper\n"
                     : [spins] "+r"(spins)
                     : [in] "r"(in), [out] "r"(out)
                     : CLOBBERED);
}

static uint8_t pattern(uint64_t thread, unsigned round, unsigned index, unsigned byte) {
    return (uint8_t) (thread * 101 + round * 37 + index * 17 + byte * 3 + 1);
}

// How many bytes were not what this thread had put there.
static uint64_t wrong_bytes(uint64_t thread, unsigned round, bool is_wide) {
    struct vectors in, out = {};
    for (unsigned index = 0; index < REGISTERS; index++) {
        for (unsigned byte = 0; byte < WIDTH; byte++) {
            in.bytes[index][byte] = pattern(thread, round, index, byte);
        }
    }
    (is_wide ? hold_ymm : hold_xmm)(&in, &out, SPINS);
    uint64_t wrong = 0;
    for (unsigned index = 0; index < REGISTERS; index++) {
        for (unsigned byte = 0; byte < (is_wide ? WIDTH : WIDTH / 2); byte++) {
            wrong += out.bytes[index][byte] != in.bytes[index][byte];
        }
    }
    return wrong;
}

// The control registers are each thread's own too: MXCSR's and the x87's rounding.
static uint64_t wrong_rounding(uint64_t thread) {
    uint32_t wanted = 0x1f80 | (uint32_t) (thread & 3) << 13, found = 0;
    uint16_t x87_wanted = (uint16_t) (0x037f | (thread & 3) << 10), x87_found = 0;
    uint64_t spins = SPINS / 4;
    __asm__ volatile("ldmxcsr %[wanted]\nfldcw %[x87_wanted]\n" SPIN "stmxcsr %[found]\nfnstcw %[x87_found]\n"
                     : [spins] "+r"(spins), [found] "=m"(found), [x87_found] "=m"(x87_found)
                     : [wanted] "m"(wanted), [x87_wanted] "m"(x87_wanted)
                     : "cc");
    return (found & 0x7fc0) != (wanted & 0x7fc0) || x87_found != x87_wanted;
}

static _Atomic uint64_t wrong, ended;

static void hold(uint64_t thread) {
    bool is_wide = has_avx();
    for (unsigned round = 0; round < ROUNDS; round++) {
        wrong += wrong_bytes(thread, round, is_wide && round % 4 != 3);
        wrong += wrong_rounding(thread);
    }
}

[[noreturn]] static void holder(uint64_t thread, struct thread_buffer *buffer) {
    (void) buffer;
    hold(thread);
    ended++;
    thread_exit();
}

TEST("vector registers keep every bit while other threads and another component use them") {
    thread_t threads[THREADS];
    poll_t nothing;
    EXPECT_EQ(poll_create(&nothing), OK);
    for (uint64_t i = 0; i < THREADS; i++) {
        EXPECT_EQ(thread_create((uint64_t) holder, 4 * PAGE_SIZE, i + 1, &threads[i]), OK);
    }
    hold(0);
    nsec_t deadline = clock_ns() + SPIN_LIMIT_NS;
    while (ended < THREADS && clock_ns() < deadline) {
        EXPECT_EQ(poll_wait(nothing, clock_ns() + NSEC_PER_MSEC), ERR_TIMED_OUT);
    }
    EXPECT_EQ(ended, THREADS);
    EXPECT_EQ(wrong, 0);
    for (size_t i = 0; i < THREADS; i++) {
        EXPECT_EQ(handle_close(threads[i].handle), OK);
    }
    EXPECT_EQ(handle_close(nothing.handle), OK);
}

// --- Control registers ---

enum : uint32_t { ROUND_NEAREST = 0x1f80, ROUND_DOWN = 0x3f80, ROUND_UP = 0x5f80 }; // MXCSR with all exceptions masked

static poll_t shared_poll;
static _Atomic uint32_t mode_after_wait;

static uint32_t rounding(void) {
    uint32_t mode;
    __asm__ volatile("stmxcsr %0" : "=m"(mode));
    return mode & 0xffc0;
}

static void round_as(uint32_t mode) {
    __asm__ volatile("ldmxcsr %0" ::"m"(mode));
}

[[noreturn]] static void wait_rounding_down(uint64_t unused, struct thread_buffer *buffer) {
    (void) unused;
    (void) buffer;
    round_as(ROUND_DOWN);
    status_t status = poll_wait(shared_poll, DEADLINE_NEVER);
    mode_after_wait = status == OK ? rounding() : 1;
    thread_exit();
}

static void let_others_run(poll_t own) {
    EXPECT_EQ(poll_wait(own, clock_ns() + 5 * NSEC_PER_MSEC), ERR_TIMED_OUT);
}

TEST("a thread that waits keeps its rounding mode, whatever that of the one which wakes it") {
    struct pair pair;
    poll_t own;
    thread_t thread;
    EXPECT_EQ(channel_pair(&pair), OK);
    EXPECT_EQ(poll_create(&own), OK);
    EXPECT_EQ(poll_create(&shared_poll), OK);
    EXPECT_EQ(poll_add(shared_poll, pair.b.handle, 1), OK);
    EXPECT_EQ(thread_create((uint64_t) wait_rounding_down, 4 * PAGE_SIZE, 0, &thread), OK);
    uint32_t before = rounding();
    EXPECT_EQ(before, ROUND_NEAREST);
    let_others_run(own);
    EXPECT_EQ(rounding(), before);
    round_as(ROUND_UP);
    write_message(KIND_SEND, 0);
    EXPECT_EQ(channel_send(pair.a), OK);
    for (size_t i = 0; i < 200 && mode_after_wait == 0; i++) {
        let_others_run(own);
    }
    EXPECT_EQ(rounding(), ROUND_UP);
    round_as(before);
    EXPECT_EQ(mode_after_wait, ROUND_DOWN);
    EXPECT_EQ(handle_close(thread.handle), OK);
    EXPECT_EQ(handle_close(own.handle), OK);
    EXPECT_EQ(handle_close(shared_poll.handle), OK);
    pair_close(&pair);
}

// --- On another CPU ---

static poll_t served_poll;
static channel_t served_end;
static _Atomic uint32_t modes_seen;
static _Atomic uint32_t last_mode;

// Rounds down from its first message on.
[[noreturn]] static void answer_rounding_down(uint64_t, struct thread_buffer *buffer) {
    status_t status = poll_wait(served_poll, DEADLINE_NEVER);
    while (status == OK && buffer->event.kind == EVENT_MESSAGE) {
        last_mode = rounding();
        modes_seen++;
        round_as(ROUND_DOWN);
        buffer->out.header = buffer->in.header;
        buffer->out.header.kind |= MESSAGE_REPLY;
        bool is_call = (buffer->in.header.kind & MESSAGE_CLASS_MASK) == MESSAGE_CALL;
        status = is_call ? channel_reply_wait(served_end, served_poll, DEADLINE_NEVER) : poll_wait(served_poll, DEADLINE_NEVER);
    }
    thread_exit();
}

// Long enough for an idle CPU to take over who waits for this one.
static void compute_until(uint32_t seen, nsec_t at_most) {
    nsec_t deadline = clock_ns() + at_most;
    while (modes_seen < seen && clock_ns() < deadline) {
    }
}

static void check_served_elsewhere(channel_t channel, poll_t own) {
    modes_seen = 0;
    thread_t thread;
    EXPECT_EQ(thread_create((uint64_t) answer_rounding_down, 4 * PAGE_SIZE, 0, &thread), OK);
    compute_until(1, 2 * NSEC_PER_MSEC); // it begins, on another CPU if one is idle, and waits
    EXPECT_EQ(modes_seen, 0);
    write_message(KIND_SEND & ~MESSAGE_CLASS_MASK, 8);
    EXPECT_EQ(channel_call(channel, DEADLINE_NEVER), OK); // here
    EXPECT_EQ(last_mode, ROUND_NEAREST);
    write_message(KIND_SEND, 8);
    EXPECT_EQ(channel_send(channel), OK);
    compute_until(2, 40 * NSEC_PER_MSEC); // there again
    for (size_t i = 0; i < 200 && modes_seen < 2; i++) {
        let_others_run(own);
    }
    EXPECT_EQ(modes_seen, 2);
    EXPECT_EQ(last_mode, ROUND_DOWN);
    EXPECT_EQ(handle_close(thread.handle), OK);
}

TEST("a thread's rounding mode goes with it from CPU to CPU") {
    poll_t own;
    EXPECT_EQ(poll_create(&own), OK);
    for (size_t i = 0; i < 15; i++) {
        struct pair pair;
        EXPECT_EQ(channel_pair(&pair), OK);
        EXPECT_EQ(poll_create(&served_poll), OK);
        EXPECT_EQ(poll_add(served_poll, pair.b.handle, 1), OK);
        served_end = pair.b;
        let_others_run(own);
        check_served_elsewhere(pair.a, own);
        EXPECT_EQ(rounding(), ROUND_NEAREST);
        pair_close(&pair);
        EXPECT_EQ(handle_close(served_poll.handle), OK);
        let_others_run(own);
    }
    EXPECT_EQ(handle_close(own.handle), OK);
}
